package value

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// maxIntBits bounds the integers that arithmetic may produce (about 30 000 decimal digits).
const maxIntBits = 100_000

// ErrZeroDivision is what dividing by zero gives.
var ErrZeroDivision = errors.New("division by zero")

// ErrIntTooLarge is what arithmetic gives beyond the largest integer allowed.
var ErrIntTooLarge = errors.New("integer is too large")

// NormInt gives an int64 where b fits and b itself otherwise.
func NormInt(b *big.Int) any {
	if b.IsInt64() {
		return b.Int64()
	}
	return b
}

// BigInt gives the integer (or bool) v as a big integer, ok=false for anything else.
func BigInt(v any) (*big.Int, bool) {
	switch x := v.(type) {
	case int64:
		return big.NewInt(x), true
	case bool:
		if x {
			return big.NewInt(1), true
		}
		return new(big.Int), true
	case *big.Int:
		return x, true
	}
	return nil, false
}

// Float gives the number v as a float, ok=false when v is not a number. A big
// integer beyond the range of floats becomes an infinity.
func Float(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case int64:
		return float64(x), true
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(x).Float64()
		return f, true
	}
	return 0, false
}

// Add, Sub, Mul, Div, FloorDiv, Mod and Pow are Python's arithmetic on numbers.
// ok=false says that a or b is not a number; the caller knows what else may be added.

// Add is a + b.
func Add(a, b any) (v any, ok bool, err error) {
	if x, y, ok := smallInts(a, b); ok {
		if s := x + y; (s > x) == (y > 0) {
			return s, true, nil
		}
		return new(big.Int).Add(big.NewInt(x), big.NewInt(y)), true, nil
	}
	return arith(a, b, func(x, y float64) (float64, error) { return x + y, nil },
		func(x, y *big.Int) (*big.Int, error) { return new(big.Int).Add(x, y), nil })
}

// Sub is a - b.
func Sub(a, b any) (v any, ok bool, err error) {
	if x, y, ok := smallInts(a, b); ok {
		if s := x - y; (s < x) == (y > 0) {
			return s, true, nil
		}
		return new(big.Int).Sub(big.NewInt(x), big.NewInt(y)), true, nil
	}
	return arith(a, b, func(x, y float64) (float64, error) { return x - y, nil },
		func(x, y *big.Int) (*big.Int, error) { return new(big.Int).Sub(x, y), nil })
}

// Mul is a * b.
func Mul(a, b any) (v any, ok bool, err error) {
	if x, y, ok := smallInts(a, b); ok {
		hi, lo := bits.Mul64(absU(x), absU(y))
		if hi == 0 && lo <= math.MaxInt64 {
			return x * y, true, nil
		}
	}
	return arith(a, b, func(x, y float64) (float64, error) { return x * y, nil },
		func(x, y *big.Int) (*big.Int, error) {
			if x.BitLen()+y.BitLen() > maxIntBits+1 {
				return nil, ErrIntTooLarge
			}
			return new(big.Int).Mul(x, y), nil
		})
}

// Div is a / b, always a float.
func Div(a, b any) (v any, ok bool, err error) {
	x, okx := Float(a)
	y, oky := Float(b)
	if !okx || !oky {
		return nil, false, nil
	}
	if y == 0 {
		return nil, true, ErrZeroDivision
	}
	if xb, yb, ok := bigInts(a, b); ok {
		f, _ := new(big.Rat).SetFrac(xb, yb).Float64()
		if math.IsInf(f, 0) {
			return nil, true, errors.New("integer division result too large for a float")
		}
		return f, true, nil
	}
	return x / y, true, nil
}

// FloorDiv is a // b.
func FloorDiv(a, b any) (v any, ok bool, err error) {
	return arith(a, b,
		func(x, y float64) (float64, error) {
			if y == 0 {
				return 0, ErrZeroDivision
			}
			return math.Floor((x - floatMod(x, y)) / y), nil
		},
		func(x, y *big.Int) (*big.Int, error) {
			if y.Sign() == 0 {
				return nil, ErrZeroDivision
			}
			q, _ := floorDivMod(x, y)
			return q, nil
		})
}

// Mod is a % b; the result has the sign of b.
func Mod(a, b any) (v any, ok bool, err error) {
	return arith(a, b,
		func(x, y float64) (float64, error) {
			if y == 0 {
				return 0, ErrZeroDivision
			}
			return floatMod(x, y), nil
		},
		func(x, y *big.Int) (*big.Int, error) {
			if y.Sign() == 0 {
				return nil, ErrZeroDivision
			}
			_, m := floorDivMod(x, y)
			return m, nil
		})
}

// Pow is a ** b: integers stay integers unless the exponent is negative.
func Pow(a, b any) (v any, ok bool, err error) {
	if x, y, ok := bigInts(a, b); ok && y.Sign() >= 0 {
		if x.BitLen() > 1 && (!y.IsInt64() || y.Int64()*int64(x.BitLen()-1) > maxIntBits || y.Int64() > maxIntBits) {
			return nil, true, ErrIntTooLarge
		}
		return NormInt(new(big.Int).Exp(x, y, nil)), true, nil
	}
	x, okx := Float(a)
	y, oky := Float(b)
	switch {
	case !okx || !oky:
		return nil, false, nil
	case x == 0 && y < 0:
		return nil, true, errors.New("0.0 cannot be raised to a negative power")
	case x < 0 && y != math.Trunc(y):
		return nil, true, errors.New("a negative number raised to a fraction is complex")
	}
	f := math.Pow(x, y)
	if math.IsInf(f, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		return nil, true, errors.New("numerical result out of range")
	}
	return f, true, nil
}

// Neg is -v for a number.
func Neg(v any) (any, bool) {
	switch x := v.(type) {
	case int64:
		if x != math.MinInt64 {
			return -x, true
		}
	case float64:
		return -x, true
	}
	if b, ok := BigInt(v); ok {
		return NormInt(new(big.Int).Neg(b)), true
	}
	return nil, false
}

// smallInts gives both operands as int64 when both are plain integers.
func smallInts(a, b any) (x, y int64, ok bool) {
	x, okx := a.(int64)
	y, oky := b.(int64)
	return x, y, okx && oky
}

func absU(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

func bigInts(a, b any) (x, y *big.Int, ok bool) {
	x, okx := BigInt(a)
	y, oky := BigInt(b)
	return x, y, okx && oky
}

func arith(a, b any, float func(x, y float64) (float64, error), integer func(x, y *big.Int) (*big.Int, error)) (any, bool, error) {
	if x, y, ok := bigInts(a, b); ok {
		r, err := integer(x, y)
		if err != nil {
			return nil, true, err
		}
		if r.BitLen() > maxIntBits {
			return nil, true, ErrIntTooLarge
		}
		return NormInt(r), true, nil
	}
	x, okx := Float(a)
	y, oky := Float(b)
	if !okx || !oky {
		return nil, false, nil
	}
	r, err := float(x, y)
	if err != nil {
		return nil, true, err
	}
	return r, true, nil
}

func floorDivMod(x, y *big.Int) (q, m *big.Int) {
	q, m = new(big.Int).QuoRem(x, y, new(big.Int))
	if m.Sign() != 0 && (m.Sign() < 0) != (y.Sign() < 0) {
		q.Sub(q, big.NewInt(1))
		m.Add(m, y)
	}
	return q, m
}

func floatMod(x, y float64) float64 {
	m := math.Mod(x, y)
	if m != 0 && (m < 0) != (y < 0) {
		m += y
	}
	return m
}

// ParseInt is Python's int(text, base): surrounding blanks, a sign, underscores
// between digits and, with base 0, 2, 8 or 16, a prefix are allowed.
func ParseInt(text string, base int) (any, error) {
	if base == 10 {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	}
	bad := fmt.Errorf("invalid literal for int() with base %d: %s", base, Repr(text))
	s := strings.TrimFunc(text, IsSpace)
	neg := false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		neg, s = s[0] == '-', s[1:]
	}
	if base < 0 || base == 1 || base > 36 {
		return nil, errors.New("int() base must be >= 2 and <= 36, or 0")
	}
	if len(s) > 1 && s[0] == '0' {
		for _, p := range []struct {
			letter byte
			base   int
		}{{'x', 16}, {'o', 8}, {'b', 2}} {
			if s[1]|0x20 == p.letter && (base == 0 || base == p.base) {
				base, s = p.base, s[2:]
				s = strings.TrimPrefix(s, "_")
				break
			}
		}
	}
	if base == 0 {
		base = 10
		if len(s) > 1 && s[0] == '0' && strings.Trim(s, "0_") != "" {
			return nil, bad
		}
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") || s[0] == '+' || s[0] == '-' {
		return nil, bad
	}
	s = asciiDigits(strings.ReplaceAll(s, "_", ""))
	if len(s) > maxIntDigits {
		return nil, ErrIntTooLarge
	}
	b, ok := new(big.Int).SetString(s, base)
	if !ok {
		return nil, bad
	}
	if neg {
		b.Neg(b)
	}
	return NormInt(b), nil
}

// ParseFloat is Python's float(text).
func ParseFloat(text string) (float64, error) {
	bad := fmt.Errorf("could not convert string to float: %s", Repr(text))
	s := asciiDigits(strings.TrimFunc(text, IsSpace))
	if strings.ContainsAny(s, "xXpP") || strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, bad
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '_' && (!isDigit(s[i-1]) || !isDigit(s[i+1])) {
			return 0, bad
		}
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, bad
	}
	return f, nil
}

// ToInt is Python's int(v) for numbers and text: floats are cut towards zero.
func ToInt(v any) (any, error) {
	switch x := v.(type) {
	case int64, *big.Int:
		return v, nil
	case bool:
		return boolToInt(v), nil
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("cannot convert float %s to integer", FloatRepr(x))
		}
		b, _ := big.NewFloat(math.Trunc(x)).Int(nil)
		return NormInt(b), nil
	case string:
		return ParseInt(x, 10)
	}
	return nil, fmt.Errorf("int() argument must be a string, a bytes-like object or a real number, not '%s'", TypeName(v))
}

// ToFloat is Python's float(v) for numbers and text.
func ToFloat(v any) (float64, error) {
	if s, ok := v.(string); ok {
		return ParseFloat(s)
	}
	f, ok := Float(v)
	if !ok {
		return 0, fmt.Errorf("float() argument must be a string or a real number, not '%s'", TypeName(v))
	}
	if _, isBig := v.(*big.Int); isBig && math.IsInf(f, 0) {
		return 0, errors.New("int too large to convert to float")
	}
	return f, nil
}

// Round is round(x, digits), half to even on the exact decimal value as Python does.
func Round(x float64, digits int) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) || digits > 22 {
		return x
	}
	if digits < 0 {
		p := math.Pow(10, float64(-digits))
		if math.IsInf(p, 0) {
			return 0
		}
		return math.RoundToEven(x/p) * p
	}
	f, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', digits, 64), 64)
	if err != nil {
		return x
	}
	return f
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
