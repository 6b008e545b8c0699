package rules

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"petrel/engine/expression/datetext"
	"petrel/engine/expression/pyregex"
	"petrel/engine/expression/value"
)

func isRegex(typ string) bool {
	switch strings.ToLower(typ) {
	case "regex", "iregex", "matchregex":
		return true
	}
	return false
}

// regexAnywhere makes regex and iregex: Python's re.search.
func regexAnywhere(ignoreCase bool) prepare {
	flags := pyregex.Flags(0)
	if ignoreCase {
		flags = pyregex.IgnoreCase
	}
	return regex(flags, (*pyregex.Regexp).Search)
}

// regexAtStart is matchregex: Python's re.match, with the dot matching line ends.
func regexAtStart(pattern any) test {
	return regex(pyregex.DotAll, (*pyregex.Regexp).MatchStart)(pattern)
}

func regex(flags pyregex.Flags, find func(*pyregex.Regexp, string) (*pyregex.Match, error)) prepare {
	return func(pattern any) test {
		if pattern == nil {
			return never
		}
		text, ok := pattern.(string)
		if !ok {
			return failing(fmt.Errorf("a regular expression is a text, the pattern is %s", describe(pattern)))
		}
		if flags&pyregex.IgnoreCase != 0 {
			text = unifyCase(text)
		}
		re, err := pyregex.Compile(text, flags)
		if err != nil {
			return failing(err)
		}
		return func(_ environment, v any) (bool, error) {
			s, ok := v.(string)
			if !ok {
				return false, fmt.Errorf("a regular expression needs a text, the value is %s", describe(v))
			}
			if flags&pyregex.IgnoreCase != 0 {
				s = unifyCase(s)
			}
			m, err := find(re, s)
			return m != nil, err
		}
	}
}

// unifyCase replaces the letters of which there are several small forms by one of them: Python takes a long s for an s, a final sigma for a
// sigma, when it ignores letter case; the engine compares small letters as they are.
func unifyCase(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return r
		}
		least := unicode.ToLower(r)
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, unicode.ToLower(other))
		}
		if least == unicode.ToLower(r) {
			return r
		}
		return least
	}, s)
}

// failing is the test of a pattern that is wrong whatever the value.
func failing(err error) test {
	return func(environment, any) (bool, error) { return false, err }
}

// wildcard is Python's fnmatch on the whole text: * any text, ? one character, [abc] [a-c] [!abc] one of some. There is no escape character.
func wildcard(pattern any) test {
	text, _ := pattern.(string)
	parts := parseWildcard(text)
	return onText("matchwildcard", func(v, _ string) bool { return matchWildcard(parts, []rune(v)) })(pattern)
}

// wildcardPart matches one character, or any text when star is set.
type wildcardPart struct {
	star, any, negated bool
	ranges             [][2]rune
}

func (p wildcardPart) matches(r rune) bool {
	if p.any {
		return true
	}
	for _, span := range p.ranges {
		if span[0] <= r && r <= span[1] {
			return !p.negated
		}
	}
	return p.negated
}

func parseWildcard(text string) []wildcardPart {
	var parts []wildcardPart
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		switch r := runes[i]; r {
		case '*':
			if len(parts) == 0 || !parts[len(parts)-1].star {
				parts = append(parts, wildcardPart{star: true})
			}
			continue
		case '?':
			parts = append(parts, wildcardPart{any: true})
			continue
		case '[':
			if part, end, ok := parseSet(runes, i+1); ok {
				parts, i = append(parts, part), end
				continue
			}
		}
		parts = append(parts, wildcardPart{ranges: [][2]rune{{runes[i], runes[i]}}})
	}
	return parts
}

// parseSet reads what stands between brackets; a bracket that is never closed is a plain character. A ] right after the opening belongs to
// the set, and ^ is a member like any other.
func parseSet(runes []rune, i int) (part wildcardPart, end int, ok bool) {
	if i < len(runes) && runes[i] == '!' {
		part.negated = true
		i++
	}
	for end = i; end < len(runes) && (runes[end] != ']' || end == i); end++ {
	}
	if end >= len(runes) {
		return part, 0, false
	}
	for i < end {
		span := [2]rune{runes[i], runes[i]}
		if i+2 < end && runes[i+1] == '-' {
			span[1] = runes[i+2]
			i += 2
		}
		part.ranges = append(part.ranges, span)
		i++
	}
	return part, end, true
}

// matchWildcard is linear but for the stars, of which only the last one is ever tried again.
func matchWildcard(parts []wildcardPart, text []rune) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(parts) && parts[p].star:
			star, mark = p, t
			p++
		case p < len(parts) && parts[p].matches(text[t]):
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(parts) && parts[p].star {
		p++
	}
	return p == len(parts)
}

// timediff compares the age of a date in seconds with the pattern; a date in the future has a negative age.
func timediff(sign int) prepare {
	return func(pattern any) test {
		if pattern == nil {
			return never
		}
		limit, limitErr := seconds(pattern)
		return func(env environment, v any) (bool, error) {
			text, ok := v.(string)
			if !ok {
				return false, fmt.Errorf("an age needs the text of a date, the value is %s", describe(v))
			}
			now := env.now().UTC()
			date, _, err := datetext.Parse(text, now)
			if err != nil {
				return false, err
			}
			if limitErr != nil {
				return false, limitErr
			}
			age := now.Sub(date).Seconds()
			return sign < 0 && age < limit || sign > 0 && age > limit, nil
		}
	}
}

// seconds is Python's float().
func seconds(pattern any) (float64, error) {
	f, err := value.ToFloat(pattern)
	if err != nil {
		return 0, fmt.Errorf("the pattern must be a number of seconds: %w", err)
	}
	return f, nil
}
