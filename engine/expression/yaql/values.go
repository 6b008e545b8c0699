package yaql

import (
	"errors"
	"fmt"
	"iter"
	"math/big"
	"strconv"
	"time"

	"petrel/engine/expression/pyregex"
	"petrel/engine/expression/value"
)

// kind is a set of kinds of values, for the choice of overloads.
type kind uint32

const (
	kNull kind = 1 << iota
	kBool
	kInt
	kFloat
	kString
	kList
	kDict
	kSet
	kLazy  // one-way sequences and sorted ones
	kView  // d.values()
	kRegex // regex()
	kTime
	kSpan
	kScope // what stands left of ->
	kPair  // key => value
	kOther // what a private type of the caller is

	kNumber   = kInt | kFloat
	kIterable = kList | kSet | kLazy | kView
	kAny      = ^kind(0) &^ kPair
)

func kindOf(v any) kind {
	switch x := v.(type) {
	case nil:
		return kNull
	case bool:
		return kBool
	case int64, *big.Int:
		return kInt
	case float64:
		return kFloat
	case string:
		return kString
	case *value.List, value.Tuple:
		return kList
	case *value.Dict:
		return kDict
	case *value.Set:
		return kSet
	case *view:
		if x.part == partValues {
			return kView
		}
		return kSet
	case *lazy, *ordering:
		return kLazy
	case *regex:
		return kRegex
	case time.Time, value.Date:
		return kTime
	case Timespan:
		return kSpan
	case *scope:
		return kScope
	case pair:
		return kPair
	}
	return kOther
}

// truth is bool(v). A lazy sequence is true even when it is empty.
func truth(v any) bool {
	switch x := v.(type) {
	case bool:
		return x
	case *view:
		return x.dict.Len() > 0
	case Timespan:
		return x != 0
	}
	return value.Truth(v)
}

// pair is an evaluated key => value.
type pair struct{ key, val any }

// lazy is a sequence that is made while it is read; reading it again makes it again.
type lazy struct {
	each func(yield func(any) error) error
}

// TypeName names the type in error messages.
func (*lazy) TypeName() string { return "sequence" }

// view is d.keys(), d.values() or d.items().
type view struct {
	dict *value.Dict
	part byte
}

const (
	partKeys byte = iota
	partValues
	partItems
)

// TypeName names the type in error messages.
func (v *view) TypeName() string {
	return [...]string{"dict_keys", "dict_values", "dict_items"}[v.part]
}

func (v *view) at(i int) any {
	k, val := v.dict.At(i)
	switch v.part {
	case partKeys:
		return thaw(k)
	case partValues:
		return val
	}
	return value.NewList(thaw(k), val)
}

// regex is a compiled pattern as a value.
type regex struct{ *pyregex.Regexp }

// TypeName names the type in error messages.
func (*regex) TypeName() string { return "regex" }

// errStop ends a reading early; it is never an error of an expression.
var errStop = errors.New("stop")

func (r *run) newLazy(each func(yield func(any) error) error) *lazy {
	r.lazy = true
	return &lazy{each: each}
}

// each reads a sequence; f ends the reading with errStop.
func (r *run) each(v any, f func(any) error) error {
	err := r.visit(v, f)
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// visit is each for sequences made of others: errStop goes through to who reads them.
func (r *run) visit(v any, f func(any) error) error {
	switch x := v.(type) {
	case *value.List:
		return r.visitAll(x.Items, f)
	case value.Tuple:
		return r.visitAll(x, f)
	case *value.Set:
		for item := range x.All() {
			if err := r.step(); err != nil {
				return err
			}
			if err := f(thaw(item)); err != nil {
				return err
			}
		}
		return nil
	case *view:
		for i := range x.dict.Len() {
			if err := r.step(); err != nil {
				return err
			}
			if err := f(x.at(i)); err != nil {
				return err
			}
		}
		return nil
	case *lazy:
		return r.visitLazy(x, f)
	case *ordering:
		items, err := x.sorted(r)
		if err != nil {
			return err
		}
		return r.visitAll(items, f)
	}
	return fmt.Errorf("%s is not a sequence", describe(v))
}

func (r *run) visitLazy(x *lazy, f func(any) error) error {
	if err := r.enter(); err != nil {
		r.depth--
		return err
	}
	defer func() { r.depth-- }()
	n := 0
	return x.each(func(item any) error {
		if n++; n > r.limits.Items {
			return fail(Limit, "the sequence has more than %d items", r.limits.Items).hint("end it with .take(n) or .takeWhile(...)")
		}
		if err := r.step(); err != nil {
			return err
		}
		return f(item)
	})
}

func (r *run) visitAll(items []any, f func(any) error) error {
	for _, item := range items {
		if err := r.step(); err != nil {
			return err
		}
		if err := f(item); err != nil {
			return err
		}
	}
	return nil
}

// items gives a sequence as a slice that must not be changed.
func (r *run) items(v any) ([]any, error) {
	switch x := v.(type) {
	case *value.List:
		return x.Items, nil
	case value.Tuple:
		return x, nil
	}
	out := []any{}
	err := r.each(v, func(item any) error {
		out = append(out, item)
		return r.charge(16)
	})
	return out, err
}

// pull reads a sequence item by item; stop must be called.
func (r *run) pull(v any) (next func() (any, bool, error), stop func()) {
	var failed error
	seq := iter.Seq[any](func(yield func(any) bool) {
		failed = r.each(v, func(item any) error {
			if !yield(item) {
				return errStop
			}
			return nil
		})
	})
	pull, stop := iter.Pull(seq)
	return func() (any, bool, error) {
		item, ok := pull()
		if !ok {
			return nil, false, failed
		}
		return item, true, nil
	}, stop
}

// describe names a value in an error message, cut to a readable length.
func describe(v any) string {
	switch kindOf(v) {
	case kNull:
		return "null"
	case kBool:
		return strconv.FormatBool(v.(bool))
	case kLazy:
		return "a sequence"
	case kView, kScope, kRegex:
		return "a " + value.TypeName(v)
	}
	s, err := value.StrLimit(asTuples(v, 0), 60)
	if err != nil || len(s) > 60 {
		r := []rune(s)
		s = string(r[:min(len(r), 57)]) + "..."
	}
	return s
}

// asTuples gives a value as Python would hold it in YAQL, for its text form: lists are
// tuples there, and sequences are read where that costs nothing.
func asTuples(v any, depth int) any {
	if depth > maxDepth {
		return nil
	}
	items := func(list []any) value.Tuple {
		out := make(value.Tuple, len(list))
		for i, e := range list {
			out[i] = asTuples(e, depth+1)
		}
		return out
	}
	switch x := v.(type) {
	case *value.List:
		return items(x.Items)
	case value.Tuple:
		return items(x)
	case *value.Dict:
		out := x.Copy()
		for k, e := range x.All() {
			_ = out.Set(k, asTuples(e, depth+1)) // the key was one before
		}
		return out
	}
	return v
}
