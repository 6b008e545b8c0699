package yaql

import (
	"math"
	"math/big"
	"math/rand/v2"
	"time"

	"petrel/engine/expression/datetime"
	"petrel/engine/expression/value"
)

func mathLibrary(l *library) {
	l.function("abs", "op:num", func(s *scope, a []any) (any, error) {
		if f, ok := a[0].(float64); ok {
			return math.Abs(f), nil
		}
		b, _ := value.BigInt(a[0])
		return value.NormInt(new(big.Int).Abs(b)), nil
	})
	l.function("sign", "num:num", func(s *scope, a []any) (any, error) {
		c, err := value.Compare(a[0], int64(0))
		return int64(c), err
	})
	l.function("int", "value:any", func(s *scope, a []any) (any, error) {
		if a[0] == nil {
			return int64(0), nil
		}
		return value.ToInt(a[0])
	})
	l.function("float", "value:any", func(s *scope, a []any) (any, error) {
		if a[0] == nil {
			return 0.0, nil
		}
		return value.ToFloat(a[0])
	})
	l.function("max", "a:any, b:any", func(s *scope, a []any) (any, error) { return s.run.larger(a[0], a[1]) })
	l.function("min", "a:any, b:any", func(s *scope, a []any) (any, error) { return s.run.smaller(a[0], a[1]) })
	l.function("round", "number:num, ndigits:int=0", func(s *scope, a []any) (any, error) { return round(a[0], whole(a[1])), nil })
	l.function("pow", "a:num, b:num, c:num|null=null", pow)
	l.function("random", "", func(*scope, []any) (any, error) { return rand.Float64(), nil })
	l.function("random", "from:int, to:int", func(s *scope, a []any) (any, error) {
		from, to := whole(a[0]), whole(a[1])
		if to < from {
			return nil, fail(Failed, "random(%d, %d): the range is empty", from, to)
		}
		return int64(from + rand.IntN(to-from+1)), nil
	})
	bitwise := func(name string, op func(z, x, y *big.Int) *big.Int) {
		l.function(name, "left:int, right:int", func(s *scope, a []any) (any, error) {
			x, _ := value.BigInt(a[0])
			y, _ := value.BigInt(a[1])
			return value.NormInt(op(new(big.Int), x, y)), nil
		})
	}
	bitwise("bitwiseAnd", (*big.Int).And)
	bitwise("bitwiseOr", (*big.Int).Or)
	bitwise("bitwiseXor", (*big.Int).Xor)
	l.function("bitwiseNot", "arg:int", func(s *scope, a []any) (any, error) {
		x, _ := value.BigInt(a[0])
		return value.NormInt(new(big.Int).Not(x)), nil
	})
	shiftBits := func(name string, op func(z, x *big.Int, n uint) *big.Int) {
		l.function(name, "value:int, bitsNumber:int", func(s *scope, a []any) (any, error) {
			x, _ := value.BigInt(a[0])
			n := whole(a[1])
			if n < 0 || name == "shiftBitsLeft" && n+x.BitLen() > 100_000 {
				return nil, fail(Failed, "%s() by %d bits is out of range", name, n)
			}
			return value.NormInt(op(new(big.Int), x, uint(n))), nil
		})
	}
	shiftBits("shiftBitsLeft", (*big.Int).Lsh)
	shiftBits("shiftBitsRight", (*big.Int).Rsh)
}

// round rounds half to even; integers stay integers.
func round(v any, digits int) any {
	if f, ok := v.(float64); ok {
		return value.Round(f, max(-400, min(digits, 400)))
	}
	if digits >= 0 {
		return v
	}
	x, _ := value.BigInt(v)
	if -digits > x.BitLen() { // 10**n is larger than twice the number
		return int64(0)
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-digits)), nil)
	q, m := new(big.Int).DivMod(x, unit, new(big.Int))
	if c := m.Lsh(m, 1).Cmp(unit); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return value.NormInt(q.Mul(q, unit))
}

func pow(_ *scope, a []any) (any, error) {
	if a[2] == nil {
		return number(value.Pow(a[0], a[1]))
	}
	x, ok := value.BigInt(a[0])
	y, ok2 := value.BigInt(a[1])
	m, ok3 := value.BigInt(a[2])
	if !ok || !ok2 || !ok3 || m.Sign() == 0 || y.Sign() < 0 || y.BitLen() > 10_000 || m.BitLen() > 10_000 {
		return nil, fail(Failed, "pow() with a modulus needs integers, the exponent not negative and the modulus not 0")
	}
	out := new(big.Int).Exp(x, y, new(big.Int).Abs(m))
	if m.Sign() < 0 && out.Sign() > 0 {
		out.Add(out, m)
	}
	return value.NormInt(out), nil
}

func typeLibrary(l *library) {
	is := func(name string, mask kind) {
		l.function(name, "value:any", func(s *scope, a []any) (any, error) { return kindOf(a[0])&mask != 0, nil })
	}
	is("isString", kString)
	is("isInteger", kInt)
	is("isNumber", kNumber)
	is("isBoolean", kBool)
	is("isList", kList)
	is("isDict", kDict)
	is("isSet", kSet)
	is("isIterable", kIterable)
	is("isRegex", kRegex)
	is("isDatetime", kTime)
	is("isTimespan", kSpan)
	l.function("bool", "value:any", func(s *scope, a []any) (any, error) { return truth(a[0]), nil })
}

func timeLibrary(l *library) {
	l.function("now", "offset:span=null", func(s *scope, a []any) (any, error) {
		off, _ := a[0].(Timespan)
		return s.run.now().Truncate(time.Microsecond).In(zone(off)), nil
	})
	l.function("localtz", "", func(s *scope, _ []any) (any, error) { return offsetOf(s.run.now().Local()), nil })
	l.function("utctz", "", func(*scope, []any) (any, error) { return Timespan(0), nil })
	l.function("timespan", "days:int=0, hours:int=0, minutes:int=0, seconds:int=0, milliseconds:int=0, microseconds:int=0",
		func(s *scope, a []any) (any, error) {
			total := 0.0
			exact := Timespan(0)
			for i, unit := range []Timespan{day, hour, minute, second, 1000, 1} {
				total += float64(whole(a[i])) * float64(unit)
				exact += Timespan(whole(a[i])) * unit
			}
			if math.Abs(total) > float64(maxSpan) {
				return span(total)
			}
			return exact, nil
		})
	l.function("datetime", "year:int, month:int, day:int, hour:int=0, minute:int=0, second:int=0, microsecond:int=0, offset:span=null",
		func(s *scope, a []any) (any, error) {
			off, _ := a[7].(Timespan)
			n := make([]int, 7)
			for i := range n {
				n[i] = whole(a[i])
			}
			return makeTime(n, zone(off))
		})
	l.function("datetime", "timestamp:num, offset:span=null", func(s *scope, a []any) (any, error) {
		f, _ := value.Float(a[0])
		if !(math.Abs(f) < 253402300800) {
			return nil, fail(Failed, "the timestamp %s is out of range", describe(a[0]))
		}
		off, _ := a[1].(Timespan)
		sec := math.Floor(f)
		return time.Unix(int64(sec), datetime.RoundEven((f-sec)*1e6)*1000).In(zone(off)), nil
	})
	l.function("datetime", "string:str, format:str|null=null", func(s *scope, a []any) (any, error) {
		if format, ok := a[1].(string); ok && format != "" {
			t, _, err := datetime.ParseFormat(a[0].(string), format)
			return t, err
		}
		return datetime.Parse(a[0].(string), s.run.now())
	})
	l.method("replace", "dt:time, year:int|null=null, month:int|null=null, day:int|null=null, hour:int|null=null, minute:int|null=null, "+
		"second:int|null=null, microsecond:int|null=null, offset:span|null=null", replaceTime)
	l.method("format", "dt:time, format:str", func(s *scope, a []any) (any, error) {
		return s.run.text(datetime.Format(timeOf(a[0]), a[1].(string)))
	})
}

// makeTime builds a time of year, month, day, hour, minute, second, microsecond; nothing wraps around.
func makeTime(n []int, loc *time.Location) (any, error) {
	t := time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1000, loc)
	ok := n[0] >= 1 && n[0] <= 9999 && t.Year() == n[0] && int(t.Month()) == n[1] && t.Day() == n[2] && t.Hour() == n[3] &&
		t.Minute() == n[4] && t.Second() == n[5] && n[6] >= 0 && n[6] < 1_000_000
	if !ok {
		return nil, fail(Failed, "there is no such date or time: %d-%d-%d %d:%02d:%02d.%06d", n[0], n[1], n[2], n[3], n[4], n[5], n[6])
	}
	return t, nil
}

func replaceTime(_ *scope, a []any) (any, error) {
	t := timeOf(a[0])
	n := []int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond() / 1000}
	for i := range n {
		if a[i+1] != nil {
			n[i] = whole(a[i+1])
		}
	}
	loc := t.Location()
	if off, ok := a[8].(Timespan); ok {
		loc = zone(off)
	}
	return makeTime(n, loc)
}
