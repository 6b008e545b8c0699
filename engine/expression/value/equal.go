package value

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
)

// compareBudget bounds the leaves that one comparison looks at: values that share
// their parts may be far larger to compare than to hold.
const compareBudget = 5_000_000

// maxDepth bounds how deep nested values are followed.
const maxDepth = 500

// Equal is a == b: numbers by value whatever their type, containers deeply. It never fails.
func Equal(a, b any) bool {
	c := comparer{budget: compareBudget}
	return c.equal(a, b, 0)
}

// Compare orders a and b as Python's < does: -1, 0 or 1. Values of different kinds have no order.
func Compare(a, b any) (int, error) {
	c := comparer{budget: compareBudget}
	return c.compare(a, b, 0)
}

type comparer struct{ budget int }

func (c *comparer) equal(a, b any, depth int) bool {
	if c.budget--; c.budget < 0 || depth > maxDepth {
		return false
	}
	switch x := a.(type) {
	case nil:
		return b == nil
	case string:
		y, ok := b.(string)
		return ok && x == y
	case int64:
		if y, ok := b.(int64); ok {
			return x == y
		}
		return IsNumber(b) && compareNumbers(a, b) == 0
	case bool, float64, *big.Int:
		return IsNumber(b) && compareNumbers(a, b) == 0
	case *List:
		y, ok := b.(*List)
		return ok && (x == y || c.equalItems(x.Items, y.Items, depth))
	case Tuple:
		y, ok := b.(Tuple)
		return ok && c.equalItems(x, y, depth)
	case *Dict:
		y, ok := b.(*Dict)
		return ok && (x == y || c.equalDicts(x, y, depth))
	case *Set:
		y, ok := b.(*Set)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for m := range x.All() {
			if !y.Has(m) {
				return false
			}
		}
		return true
	case Bytes:
		y, ok := b.(Bytes)
		return ok && x == y
	case time.Time:
		y, ok := b.(time.Time)
		return ok && x.Equal(y) && (x.Location() == Naive) == (y.Location() == Naive)
	case Date:
		y, ok := b.(Date)
		return ok && x.Time.Equal(y.Time)
	case Equaler:
		return x.EqualTo(b)
	}
	if y, ok := b.(Equaler); ok {
		return y.EqualTo(a)
	}
	ka, oka := hashKey(a)
	kb, okb := hashKey(b)
	return oka && okb && ka == kb
}

func (c *comparer) equalItems(a, b []any, depth int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !c.equal(a[i], b[i], depth+1) {
			return false
		}
	}
	return true
}

func (c *comparer) equalDicts(a, b *Dict, depth int) bool {
	if a.Len() != b.Len() {
		return false
	}
	for k, v := range a.All() {
		w, ok := b.Get(k)
		if !ok || !c.equal(v, w, depth+1) {
			return false
		}
	}
	return true
}

func (c *comparer) compare(a, b any, depth int) (int, error) {
	if c.budget--; c.budget < 0 || depth > maxDepth {
		return 0, fmt.Errorf("values are too large to compare")
	}
	if IsNumber(a) && IsNumber(b) {
		if n := compareNumbers(a, b); n != unordered {
			return n, nil
		}
		return 0, nil
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil // UTF-8 keeps the order of code points
		}
	case *List:
		if y, ok := b.(*List); ok {
			return c.compareItems(x.Items, y.Items, depth)
		}
	case Tuple:
		if y, ok := b.(Tuple); ok {
			return c.compareItems(x, y, depth)
		}
	case Bytes:
		if y, ok := b.(Bytes); ok {
			return strings.Compare(string(x), string(y)), nil
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y), nil
		}
	case Date:
		if y, ok := b.(Date); ok {
			return x.Time.Compare(y.Time), nil
		}
	}
	return 0, fmt.Errorf("'<' not supported between instances of '%s' and '%s'", TypeName(a), TypeName(b))
}

func (c *comparer) compareItems(a, b []any, depth int) (int, error) {
	for i := 0; i < len(a) && i < len(b); i++ {
		if !c.equal(a[i], b[i], depth+1) {
			return c.compare(a[i], b[i], depth+1)
		}
	}
	switch {
	case len(a) < len(b):
		return -1, nil
	case len(a) > len(b):
		return 1, nil
	}
	return 0, nil
}

// unordered is what compareNumbers answers when one side is not a number (NaN).
const unordered = 2

// compareNumbers compares exactly, without rounding integers to floats.
func compareNumbers(a, b any) int {
	a, b = boolToInt(a), boolToInt(b)
	switch x := a.(type) {
	case int64:
		switch y := b.(type) {
		case int64:
			return cmp(x, y)
		case float64:
			return -compareFloatInt(y, big.NewInt(x), float64(x), x > -1<<53 && x < 1<<53)
		case *big.Int:
			return big.NewInt(x).Cmp(y)
		}
	case float64:
		switch y := b.(type) {
		case int64:
			return compareFloatInt(x, big.NewInt(y), float64(y), y > -1<<53 && y < 1<<53)
		case float64:
			if math.IsNaN(x) || math.IsNaN(y) {
				return unordered
			}
			return cmp(x, y)
		case *big.Int:
			return compareFloatInt(x, y, 0, false)
		}
	case *big.Int:
		switch y := b.(type) {
		case int64:
			return x.Cmp(big.NewInt(y))
		case float64:
			return -compareFloatInt(y, x, 0, false)
		case *big.Int:
			return x.Cmp(y)
		}
	}
	return unordered
}

func compareFloatInt(f float64, b *big.Int, exact float64, isExact bool) int {
	switch {
	case math.IsNaN(f):
		return unordered
	case isExact:
		return cmp(f, exact)
	case math.IsInf(f, 1):
		return 1
	case math.IsInf(f, -1):
		return -1
	}
	return new(big.Float).SetFloat64(f).Cmp(new(big.Float).SetInt(b))
}

func cmp[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func boolToInt(v any) any {
	if b, ok := v.(bool); ok {
		if b {
			return int64(1)
		}
		return int64(0)
	}
	return v
}
