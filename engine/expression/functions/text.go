package functions

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"petrel/engine/expression/value"
)

func textFuncs() []*Func {
	return []*Func{
		{Name: "to_human_time_from_seconds", Params: []Param{need("seconds")}, Dialect: Everywhere, Run: humanTime},
		{Name: "basename", Params: []Param{need("path")}, Dialect: Everywhere, Run: func(_ *Call, a []any) (any, error) {
			p, err := mustText("basename", a[0])
			return p[strings.LastIndexByte(p, '/')+1:], err
		}},
		{Name: "dirname", Params: []Param{need("path")}, Dialect: Everywhere, Run: func(_ *Call, a []any) (any, error) {
			p, err := mustText("dirname", a[0])
			head := p[:strings.LastIndexByte(p, '/')+1]
			if trimmed := strings.TrimRight(head, "/"); trimmed != "" {
				head = trimmed
			}
			return head, err
		}},
	}
}

// humanTime spells seconds as 1y2d3h4m5s, years of 365 days; units before the first
// one that counts are left out. Below one second upstream writes the number of
// seconds with the unit of microseconds, and so does this.
func humanTime(_ *Call, a []any) (any, error) {
	seconds := a[0]
	if b, ok := seconds.(bool); ok {
		seconds = int64(boolInt(b))
	}
	f, ok := value.Float(seconds)
	if !ok || math.IsNaN(f) || math.Abs(f) > 1e15 {
		return nil, fmt.Errorf("to_human_time_from_seconds() needs a number of seconds, not %s", value.Repr(a[0]))
	}
	switch {
	case f == 0:
		return "0s", nil
	case f < 1:
		return value.Str(seconds) + "μs", nil
	}
	n := int64(math.RoundToEven(f))
	units := []struct {
		name string
		size int64
	}{{"y", 365 * 86400}, {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}
	var b strings.Builder
	for _, u := range units {
		if q := n / u.size; q > 0 || b.Len() > 0 || u.size == 1 {
			b.WriteString(strconv.FormatInt(q, 10) + u.name)
		}
		n %= u.size
	}
	return b.String(), nil
}
