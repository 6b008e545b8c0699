// Package value is the Python value model that Jinja and YAQL share: what a
// value may be, how it is spelled, compared, counted and converted.
//
// A value is an `any` that is always one of: nil (None), bool, int64, *big.Int
// (only when the number does not fit int64), float64, string, *List, Tuple,
// *Dict, *Set, Bytes, Date, time.Time (datetime), or a private type of an
// engine that implements some of the small interfaces below.
//
// The package must not know templates, expressions or anything that uses them.
package value

import (
	"fmt"
	"iter"
	"math"
	"math/big"
	"reflect"
	"time"
	"unicode/utf8"
)

// List is Python's list: mutable and passed by reference.
type List struct{ Items []any }

// NewList makes a list of the given items; the slice is taken over, not copied.
func NewList(items ...any) *List { return &List{Items: items} }

// Tuple is Python's tuple. It must not be changed once made.
type Tuple []any

// Bytes is Python's bytes; it appears only as the result of str.encode and of YAML's !!binary.
type Bytes string

// Date is Python's datetime.date (a YAML scalar such as 2024-01-31).
type Date struct{ Time time.Time }

// Naive is the location of datetimes that carry no offset; they are spelled without one.
var Naive = time.FixedZone("naive", 0)

// The small interfaces a private type may implement. What it does not implement
// behaves like a plain Python object: true, without length, equal to itself only.
type (
	// Namer gives the Python type name that error messages use.
	Namer interface{ TypeName() string }
	// Speller gives str(v).
	Speller interface{ Str() string }
	// Representer gives repr(v).
	Representer interface{ Repr() string }
	// Truther gives bool(v); without it Sized decides, and otherwise the value is true.
	Truther interface{ Truth() bool }
	// Sized gives len(v).
	Sized interface{ Len() int }
	// Iterable gives iter(v). Every call may start afresh or continue a one-pass sequence.
	Iterable interface{ Iterate() iter.Seq[any] }
	// Equaler gives v == other.
	Equaler interface{ EqualTo(other any) bool }
	// Plainer turns a private value into a value of the model proper; ToGo,
	// AppendJSON and DumpJSON use it.
	Plainer interface{ Plain() (any, error) }
	// Hasher gives a comparable Go value that stands for v as a dictionary key.
	Hasher interface{ HashKey() (any, bool) }
)

// TypeName is type(v).__name__.
func TypeName(v any) string {
	switch x := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *List:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *Set:
		return "set"
	case Bytes:
		return "bytes"
	case Date:
		return "date"
	case time.Time:
		return "datetime"
	case Namer:
		return x.TypeName()
	}
	return reflect.TypeOf(v).String()
}

// Truth is bool(v).
func Truth(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case int64:
		return x != 0
	case *big.Int:
		return x.Sign() != 0
	case float64:
		return x != 0
	case string:
		return x != ""
	case *List:
		return len(x.Items) > 0
	case Tuple:
		return len(x) > 0
	case *Dict:
		return x.Len() > 0
	case *Set:
		return x.Len() > 0
	case Bytes:
		return x != ""
	case Truther:
		return x.Truth()
	case Sized:
		return x.Len() > 0
	}
	return true
}

// Len is len(v); the length of text counts code points.
func Len(v any) (int, error) {
	switch x := v.(type) {
	case string:
		return utf8.RuneCountInString(x), nil
	case *List:
		return len(x.Items), nil
	case Tuple:
		return len(x), nil
	case *Dict:
		return x.Len(), nil
	case *Set:
		return x.Len(), nil
	case Bytes:
		return len(x), nil
	case Sized:
		return x.Len(), nil
	}
	return 0, fmt.Errorf("object of type '%s' has no len()", TypeName(v))
}

// Iterate is iter(v): characters of text, items of lists, keys of maps.
// A list that grows while it is iterated is followed, as in Python.
func Iterate(v any) (iter.Seq[any], error) {
	switch x := v.(type) {
	case string:
		return func(yield func(any) bool) {
			for _, r := range x {
				if !yield(string(r)) {
					return
				}
			}
		}, nil
	case *List:
		return func(yield func(any) bool) {
			for i := 0; i < len(x.Items); i++ {
				if !yield(x.Items[i]) {
					return
				}
			}
		}, nil
	case Tuple:
		return func(yield func(any) bool) {
			for _, e := range x {
				if !yield(e) {
					return
				}
			}
		}, nil
	case *Dict:
		return func(yield func(any) bool) {
			for k := range x.All() {
				if !yield(k) {
					return
				}
			}
		}, nil
	case *Set:
		return x.All(), nil
	case Bytes:
		return func(yield func(any) bool) {
			for i := 0; i < len(x); i++ {
				if !yield(int64(x[i])) {
					return
				}
			}
		}, nil
	case Iterable:
		return x.Iterate(), nil
	}
	return nil, fmt.Errorf("'%s' object is not iterable", TypeName(v))
}

// IsNumber tells whether v is an int, a float or (as in Python) a bool.
func IsNumber(v any) bool {
	switch v.(type) {
	case bool, int64, *big.Int, float64:
		return true
	}
	return false
}

// hash keys of values that are not their own key
type (
	noneKey  struct{}
	bigKey   string
	tupleKey string
	timeKey  struct {
		sec  int64
		nsec int
		kind byte
	}
)

// hashKey gives the comparable Go value under which v is found: 1, 1.0 and True share one.
func hashKey(v any) (any, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case int64:
		return x, true
	case nil:
		return noneKey{}, true
	case bool:
		if x {
			return int64(1), true
		}
		return int64(0), true
	case float64:
		if x == math.Trunc(x) && !math.IsInf(x, 0) {
			if x >= -9.2e18 && x <= 9.2e18 {
				return int64(x), true
			}
			b, _ := big.NewFloat(x).Int(nil)
			return hashKey(NormInt(b))
		}
		return x, true
	case *big.Int:
		return bigKey(x.String()), true
	case Bytes:
		return x, true
	case time.Time:
		return timeKey{x.Unix(), x.Nanosecond(), 't'}, true
	case Date:
		return timeKey{x.Time.Unix(), 0, 'd'}, true
	case Tuple:
		buf := make([]byte, 0, 32)
		for _, e := range x {
			k, ok := hashKey(e)
			if !ok {
				return nil, false
			}
			part := fmt.Sprintf("%T:%v", k, k)
			buf = fmt.Appendf(buf, "%d:%s;", len(part), part)
		}
		return tupleKey(buf), true
	case *List, *Dict, *Set:
		return nil, false
	case Hasher:
		return x.HashKey()
	}
	if !reflect.TypeOf(v).Comparable() {
		return nil, false
	}
	return v, true
}

// Hashable tells whether v may be a dictionary key or a set member.
func Hashable(v any) bool {
	_, ok := hashKey(v)
	return ok
}
