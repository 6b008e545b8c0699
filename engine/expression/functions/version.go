package functions

import (
	"fmt"
	"strconv"
	"strings"

	"petrel/engine/expression/value"
)

func versionFuncs() []*Func {
	two := []Param{need("value"), need("pattern")}
	one := []Param{need("value")}
	compare := func(name string, result func(c int) any) *Func {
		return &Func{Name: name, Params: two, Dialect: Everywhere, Run: func(_ *Call, a []any) (any, error) {
			v, err := parseVersion(a[0])
			if err != nil {
				return nil, err
			}
			w, err := parseVersion(a[1])
			if err != nil {
				return nil, err
			}
			return result(v.compare(w)), nil
		}}
	}
	edit := func(name string, result func(v version) string) *Func {
		return &Func{Name: name, Params: one, Dialect: Everywhere, Run: func(_ *Call, a []any) (any, error) {
			v, err := parseVersion(a[0])
			if err != nil {
				return nil, err
			}
			return result(v), nil
		}}
	}
	return []*Func{
		compare("version_compare", func(c int) any { return int64(c) }),
		compare("version_more_than", func(c int) any { return c > 0 }),
		compare("version_less_than", func(c int) any { return c < 0 }),
		compare("version_equal", func(c int) any { return c == 0 }),
		{Name: "version_match", Params: two, Dialect: Everywhere, Run: versionMatch},
		edit("version_bump_major", func(v version) string { return fmt.Sprintf("%d.0.0", v.n[0]+1) }),
		edit("version_bump_minor", func(v version) string { return fmt.Sprintf("%d.%d.0", v.n[0], v.n[1]+1) }),
		edit("version_bump_patch", func(v version) string { return fmt.Sprintf("%d.%d.%d", v.n[0], v.n[1], v.n[2]+1) }),
		edit("version_strip_patch", func(v version) string { return fmt.Sprintf("%d.%d", v.n[0], v.n[1]) }),
	}
}

// version is a SemVer 2 version; build metadata plays no part.
type version struct {
	n   [3]uint64
	pre []string
}

func parseVersion(v any) (version, error) {
	s, ok := v.(string)
	if !ok {
		return version{}, fmt.Errorf("a version must be text such as '1.2.3', not %s", value.Repr(v))
	}
	bad := fmt.Errorf("%s is not valid SemVer string (1.2.3, 1.2.3-rc.1, 1.2.3+build)", s)
	rest, build, hasBuild := strings.Cut(s, "+")
	core, pre, hasPre := strings.Cut(rest, "-")
	numbers := strings.Split(core, ".")
	var out version
	if len(numbers) != 3 || hasBuild && !identifiers(build, true) || hasPre && !identifiers(pre, false) {
		return out, bad
	}
	for i, n := range numbers {
		x, err := strconv.ParseUint(n, 10, 63)
		if err != nil || len(n) > 1 && n[0] == '0' || n[0] == '+' {
			return out, bad
		}
		out.n[i] = x
	}
	if hasPre {
		out.pre = strings.Split(pre, ".")
	}
	return out, nil
}

// identifiers checks dot separated identifiers; numbers may have leading zeros only in a build.
func identifiers(s string, zeros bool) bool {
	for _, id := range strings.Split(s, ".") {
		if id == "" || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
			return false
		}
		if !zeros && len(id) > 1 && id[0] == '0' && isNumeric(id) {
			return false
		}
	}
	return true
}

func isNumeric(s string) bool { return strings.Trim(s, "0123456789") == "" }

func (v version) compare(w version) int {
	for i := range v.n {
		if v.n[i] != w.n[i] {
			return order(v.n[i] < w.n[i])
		}
	}
	if len(v.pre) == 0 || len(w.pre) == 0 {
		return boolInt(len(v.pre) == 0) - boolInt(len(w.pre) == 0)
	}
	for i := 0; i < len(v.pre) && i < len(w.pre); i++ {
		a, b := v.pre[i], w.pre[i]
		if a == b {
			continue
		}
		an, bn := isNumeric(a), isNumeric(b)
		switch {
		case an && bn && len(a) != len(b):
			return order(len(a) < len(b))
		case an != bn:
			return order(an)
		default:
			return order(a < b)
		}
	}
	return boolInt(len(v.pre) > len(w.pre)) - boolInt(len(v.pre) < len(w.pre))
}

func order(less bool) int {
	if less {
		return -1
	}
	return 1
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// versionMatch compares with an expression such as >=1.2.0; a bare version means ==.
func versionMatch(_ *Call, a []any) (any, error) {
	v, err := parseVersion(a[0])
	if err != nil {
		return nil, err
	}
	expr, err := mustText("version_match", a[1])
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"<=", ">=", "==", "!=", "<", ">", ""} {
		want, ok := strings.CutPrefix(expr, op)
		if !ok {
			continue
		}
		if op == "" && (expr == "" || expr[0] < '0' || expr[0] > '9') {
			break
		}
		w, err := parseVersion(want)
		if err != nil {
			return nil, err
		}
		c := v.compare(w)
		switch op {
		case "<=":
			return c <= 0, nil
		case ">=":
			return c >= 0, nil
		case "!=":
			return c != 0, nil
		case "<":
			return c < 0, nil
		case ">":
			return c > 0, nil
		}
		return c == 0, nil
	}
	return nil, fmt.Errorf("the version to match must be <op><version> with <op> one of < > <= >= == !=, or a bare version, not %s", value.Repr(expr))
}
