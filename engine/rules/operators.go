package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"petrel/engine/expression/value"
)

// test applies an operator, made for one pattern, to a value. An error means that the two cannot be compared: no match, and worth a report.
type test func(env environment, v any) (bool, error)

// prepare makes the test for a pattern.
type prepare func(pattern any) test

// environment is what operators use of the world.
type environment struct{ now func() time.Time }

const searchOperator = "search"

// operators by name. It is never changed.
var operators = map[string]prepare{
	"equals": equals, "eq": equals,
	"nequals": nequals, "neq": nequals,
	"iequals": iequals, "ieq": iequals,
	"contains": contains(true), "ncontains": contains(false),
	"icontains": onLower(lowerContains(true)), "incontains": onLower(lowerContains(false)),
	"startswith": onText("startswith", strings.HasPrefix), "endswith": onText("endswith", strings.HasSuffix),
	"istartswith": onLower(strings.HasPrefix), "iendswith": onLower(strings.HasSuffix),
	"lessthan": ordered(-1), "lt": ordered(-1),
	"greaterthan": ordered(1), "gt": ordered(1),
	"matchwildcard": wildcard,
	"matchregex":    regexAtStart, "regex": regexAnywhere(false), "iregex": regexAnywhere(true),
	"timediff_lt": timediff(-1), "td_lt": timediff(-1),
	"timediff_gt": timediff(1), "td_gt": timediff(1),
	"exists":  func(any) test { return func(_ environment, v any) (bool, error) { return v != nil, nil } },
	"nexists": func(any) test { return func(_ environment, v any) (bool, error) { return v == nil, nil } },
	"inside":  inside(true), "in": inside(true),
	"ninside": inside(false), "nin": inside(false),
	searchOperator: searchSpelledOddly,
}

// Operators returns the names of all operators, sorted.
func Operators() []string {
	names := make([]string, 0, len(operators))
	for name := range operators {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// never is the test for a null pattern, which almost no operator accepts.
func never(environment, any) (bool, error) { return false, nil }

func equals(pattern any) test {
	if pattern == nil {
		return never
	}
	return func(_ environment, v any) (bool, error) { return value.Equal(v, pattern), nil }
}

func nequals(pattern any) test {
	return func(_ environment, v any) (bool, error) { return !value.Equal(v, pattern), nil }
}

func iequals(pattern any) test {
	return onLower(func(v, pattern string) bool { return v == pattern })(pattern)
}

// contains is `pattern in value`.
func contains(want bool) prepare {
	return func(pattern any) test {
		if pattern == nil {
			return never
		}
		return func(_ environment, v any) (bool, error) {
			found, err := isIn(pattern, v)
			return err == nil && found == want, err
		}
	}
}

// inside is `value in pattern`.
func inside(want bool) prepare {
	return func(pattern any) test {
		if pattern == nil {
			return never
		}
		return func(_ environment, v any) (bool, error) {
			found, err := isIn(v, pattern)
			return err == nil && found == want, err
		}
	}
}

// isIn is Python's `in`: a part of a text, an element of a list, a key of an object.
func isIn(item, container any) (bool, error) {
	switch c := container.(type) {
	case string:
		text, ok := item.(string)
		if !ok {
			return false, fmt.Errorf("a text can only hold text, not %s", describe(item))
		}
		return strings.Contains(c, text), nil
	case *value.Dict:
		if !value.Hashable(item) {
			return false, fmt.Errorf("%s cannot be a key of an object", describe(item))
		}
		_, found := c.Get(item)
		return found, nil
	}
	items, err := value.Iterate(container)
	if err != nil {
		return false, fmt.Errorf("%s holds nothing to look in: %w", describe(container), err)
	}
	for v := range items {
		if value.Equal(v, item) {
			return true, nil
		}
	}
	return false, nil
}

// describe names a value in an error message without showing its content, which may be secret.
func describe(v any) string {
	if v == nil {
		return "null"
	}
	return "a value of type " + value.TypeName(v)
}

// onText makes an operator on two texts.
func onText(name string, holds func(v, pattern string) bool) prepare {
	return func(pattern any) test {
		if pattern == nil {
			return never
		}
		text, isText := pattern.(string)
		return func(_ environment, v any) (bool, error) {
			s, ok := v.(string)
			switch {
			case !ok:
				return false, fmt.Errorf("%s needs a text, the value is %s", name, describe(v))
			case !isText:
				return false, fmt.Errorf("%s needs a text, the pattern is %s", name, describe(pattern))
			}
			return holds(s, text), nil
		}
	}
}

// onLower makes an operator on two texts in lower case.
func onLower(holds func(v, pattern string) bool) prepare {
	plain := onText("an operator that ignores letter case", func(v, pattern string) bool { return holds(lower(v), pattern) })
	return func(pattern any) test {
		if text, ok := pattern.(string); ok {
			pattern = lower(text)
		}
		return plain(pattern)
	}
}

func lowerContains(want bool) func(v, pattern string) bool {
	return func(v, pattern string) bool { return strings.Contains(v, pattern) == want }
}

// lower is Python's str.lower: as Go's, but the Turkish capital I with a dot keeps its dot, and a capital sigma at the end of a word becomes
// a final one.
func lower(s string) string {
	if !strings.ContainsAny(s, "İΣ") {
		return strings.ToLower(s)
	}
	runes := []rune(s)
	var b strings.Builder
	for i, r := range runes {
		switch r {
		case 'İ':
			b.WriteString("i\u0307")
		case 'Σ':
			if isCased(runes, i, -1) && !isCased(runes, i, 1) {
				b.WriteRune('ς')
			} else {
				b.WriteRune('σ')
			}
		default:
			b.WriteString(strings.ToLower(string(r)))
		}
	}
	return b.String()
}

// isCased reports whether the nearest character in a direction that counts is a letter with case.
func isCased(runes []rune, i, step int) bool {
	for i += step; i >= 0 && i < len(runes); i += step {
		if strings.ContainsRune("'.:·\u00ad\u2019", runes[i]) {
			continue
		}
		return strings.ToLower(string(runes[i])) != strings.ToUpper(string(runes[i]))
	}
	return false
}

// ordered is < or >: numbers by value, texts by code point, lists item by item; anything else has no order.
func ordered(sign int) prepare {
	return func(pattern any) test {
		if pattern == nil {
			return never
		}
		return func(_ environment, v any) (bool, error) {
			c, err := value.Compare(v, pattern)
			if err != nil {
				return false, fmt.Errorf("%s and %s have no order; numbers are compared with numbers, text with text", describe(v), describe(pattern))
			}
			return c == sign, nil
		}
	}
}
