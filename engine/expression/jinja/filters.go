package jinja

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"

	"petrel/engine/expression/value"
)

// coreFilters are Jinja's own filters.
func coreFilters() map[string]*builtin {
	t := table(append(append(sequenceFilters(), textFilters()...), valueFilters()...)...)
	for alias, name := range map[string]string{"d": "default", "e": "escape", "count": "length"} {
		t[alias] = t[name]
	}
	return t
}

// valueFilters work on any value or on numbers.
func valueFilters() []*builtin {
	return []*builtin{
		define("default", "? default_value boolean", func(c *call) (any, error) {
			_, missing := isUndefined(c.self)
			if !missing && c.bool(1, false) {
				ok, err := c.st.truth(c.self)
				if err != nil {
					return nil, err
				}
				missing = !ok
			}
			if missing {
				return c.arg(0, ""), nil
			}
			return c.self, nil
		}),
		define("attr", "name!", func(c *call) (any, error) {
			name := c.text(0, "")
			if err := defined(c.self, false); err != nil {
				return nil, err
			}
			v, ok, err := c.st.attribute(c.self, name, -1)
			if err == nil && !ok {
				v = c.st.missingIn(c.self, name, -1)
			}
			return v, err
		}),
		define("abs", "", func(c *call) (any, error) {
			if n, err := c.st.order(c.self, int64(0), "<"); err == nil && n < 0 {
				v, _ := value.Neg(c.self)
				return v, nil
			}
			if !value.IsNumber(c.self) {
				return nil, fail(Runtime, "bad operand type for abs(): '%s'", value.TypeName(c.self))
			}
			v, _ := value.Neg(c.self)
			v, _ = value.Neg(v)
			return v, nil
		}),
		define("int", "default base", intFilter),
		define("float", "default", func(c *call) (any, error) {
			if err := defined(c.self, false); err != nil {
				return nil, err
			}
			v, err := c.st.plainText(c.self)
			if err != nil {
				return nil, err
			}
			if f, err := value.ToFloat(v); err == nil {
				return f, nil
			}
			return c.arg(0, 0.0), nil
		}),
		define("round", "precision method", roundFilter),
		define("string", "", func(c *call) (any, error) {
			if m, ok := c.self.(Markup); ok {
				return m, nil
			}
			return c.selfString()
		}),
		define("filesizeformat", "binary", fileSize),
		define("pprint", "", func(c *call) (any, error) { return c.pprint() }),
		define("tojson", "indent", toJSON),
		define("random", "", func(c *call) (any, error) {
			items, err := c.st.items(c.self)
			if err != nil {
				return nil, err
			}
			if len(items) == 0 {
				return c.st.noItem("No random item, sequence was empty."), nil
			}
			return items[rand.IntN(len(items))], nil
		}),
	}
}

// noItem is the undefined that filters give for an empty sequence.
func (st *state) noItem(hint string) *undefined {
	return &undefined{hint: hint, strict: !st.lenient, st: st, pos: -1}
}

// selfString is the value as text.
func (c *call) selfString() (string, error) { return c.st.text(c.self) }

func intFilter(c *call) (any, error) {
	if err := defined(c.self, false); err != nil {
		return nil, err
	}
	v, err := c.st.plainText(c.self)
	if err != nil {
		return nil, err
	}
	if s, ok := v.(string); ok {
		if n, err := value.ParseInt(s, c.int(1, 10)); err == nil {
			return n, nil
		}
	} else if n, err := value.ToInt(v); err == nil {
		return n, nil
	}
	if f, err := value.ToFloat(v); err == nil {
		if n, err := value.ToInt(f); err == nil {
			return n, nil
		}
	}
	return c.arg(0, int64(0)), nil
}

func roundFilter(c *call) (any, error) {
	digits := c.int(0, 0)
	f, err := value.ToFloat(c.self)
	if err != nil || !value.IsNumber(c.self) {
		return nil, fail(Runtime, "type %s doesn't define __round__ method", value.TypeName(c.self))
	}
	switch method := c.str(1, "common"); method {
	case "common":
		if n, ok := value.BigInt(c.self); ok {
			if digits >= 0 {
				return value.NormInt(n), nil
			}
			return value.ToInt(value.Round(f, digits))
		}
		return value.Round(f, digits), nil
	case "ceil", "floor":
		p := math.Pow(10, float64(digits))
		if method == "ceil" {
			return math.Ceil(f*p) / p, nil
		}
		return math.Floor(f*p) / p, nil
	}
	return nil, fail(Runtime, "method must be common, ceil or floor")
}

func fileSize(c *call) (any, error) {
	v, err := c.st.plainText(c.self)
	if err != nil {
		return nil, err
	}
	n, err := value.ToFloat(v)
	if err != nil {
		return nil, err
	}
	base, prefixes := 1000.0, []string{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}
	if c.bool(0, false) {
		base, prefixes = 1024, []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}
	}
	switch {
	case n == 1:
		return "1 Byte", nil
	case n < base:
		return strconv.FormatInt(int64(n), 10) + " Bytes", nil
	}
	unit := base
	for i, p := range prefixes {
		unit *= base
		if n < unit || i == len(prefixes)-1 {
			return strconv.FormatFloat(base*n/unit, 'f', 1, 64) + " " + p, nil
		}
	}
	return nil, errors.New("unreachable")
}

func toJSON(c *call) (any, error) {
	o := value.JSONOptions{ASCII: true, SortKeys: true, Limit: c.st.limits.Output}
	if c.given(0) {
		n := c.int(0, 0)
		if n < 0 || n > 100 {
			return nil, fail(Runtime, "an indent must be from 0 to 100")
		}
		for range n {
			o.Indent += " "
		}
	}
	v, err := c.st.plain(c.self)
	if err != nil {
		return nil, err
	}
	s, err := value.DumpJSON(v, o)
	if err != nil {
		return nil, err
	}
	if err := c.st.chargeSteps(len(s) / 16); err != nil {
		return nil, err
	}
	return Markup(jsonEscaper.Replace(s)), c.st.charge(2 * len(s))
}

// pprint spells a value as Python's pprint does: maps sorted, wrapped at 80 columns.
func (c *call) pprint() (any, error) {
	v, err := c.st.plain(c.self)
	if err != nil {
		return nil, err
	}
	p := prettyPrinter{st: c.st}
	s := p.format(v, 0, 0, 0)
	if p.err != nil {
		return nil, p.err
	}
	return c.made(s)
}
