package value

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

// FuzzParsers reads whatever comes as JSON, YAML and Python literal; what was read
// must be spelled and, as JSON, read again to the same value.
func FuzzParsers(f *testing.F) {
	for _, s := range []string{`{"a": [1, 2.5, null, "\u00e9\ud83d\ude00"]}`, "a: &x [1, yes]\nb: *x\n<<: {c: 010}", `{'a': (1, None), "b": r'\n' b''}`, `[1e400, NaN, -Infinity]`, "2021-03-04T05:06:07.5+02:00", "'\\x41\\N'", "- !!set {a, b}", "? [a]\n: b", "{1: 2, 1.0: 3, True: 4}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		start := time.Now()
		defer func() {
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("%d bytes took %v", len(s), took)
			}
		}()
		if v, err := ParseJSON([]byte(s)); err == nil {
			out, err := AppendJSON(nil, v)
			if err == nil {
				again, err := ParseJSON(out)
				if err != nil || !Equal(v, again) {
					t.Errorf("%q was written as %q, which reads %s (%v)", s, out, Repr(again), err)
				}
				if !json.Valid(out) {
					t.Errorf("%q is not JSON", out)
				}
			}
			use(v)
		} else if json.Valid([]byte(s)) && len(s) < 1000 {
			t.Errorf("%q is JSON: %v", s, err)
		}
		if v, err := ParseYAML([]byte(s)); err == nil {
			use(v)
		}
		if v, err := ParseLiteral(s); err == nil {
			if f, ok := v.(float64); !ok || !math.IsInf(f, 0) && !math.IsNaN(f) {
				use(v)
			}
		}
	})
}

func use(v any) {
	_ = Repr(v)
	ToGo(v)
	DeepCopy(v)
	_, _ = DumpJSON(v, JSONOptions{SortKeys: true})
	Truth(v)
	Hashable(v)
}

// FuzzFormat formats with whatever comes as a format: no panic, bounded output.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{"{0!r:>{w}}", "{:,.2f}", "%(a)s %5.1f%%", "%-*.*s", "{0[k]}{1}", "{{}}", "%#x %+d % d %c"} {
		f.Add(s)
	}
	args := FormatArgs{Positional: []any{DictOf("k", int64(1)), 2.5, "x", int64(-7)}, Named: DictOf("w", int64(9))}
	f.Fuzz(func(_ *testing.T, s string) {
		_, _ = Format(s, args)
		for _, a := range []any{Tuple(args.Positional), DictOf("a", 1.5), int64(3), "text"} {
			_, _ = Percent(s, a)
		}
		for _, v := range args.Positional {
			_, _ = FormatValue(v, s)
		}
	})
}
