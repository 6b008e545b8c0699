package yaql

import (
	"errors"
	"fmt"
	"iter"
	"math/big"
	"slices"
	"strconv"
	"strings"
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

// finish converts what only exists within an evaluation: sequences, sets and views
// become lists. What needs no conversion is kept as it is.
func (r *run) finish(v any) (any, error) {
	out, _, err := r.convert(v, 0)
	return out, err
}

// maxDepth bounds the nesting of values that finish walks.
const maxDepth = 500

func (r *run) convert(v any, depth int) (out any, changed bool, err error) {
	if depth > maxDepth {
		return nil, false, fail(Limit, "the value is nested deeper than %d", maxDepth)
	}
	switch x := v.(type) {
	case *value.List:
		items, changed, err := r.convertItems(x.Items, depth)
		if err != nil || !changed {
			return v, false, err
		}
		return &value.List{Items: items}, true, nil
	case value.Tuple:
		items, _, err := r.convertItems(x, depth)
		return &value.List{Items: slices.Clone(items)}, true, err
	case *value.Dict:
		return r.convertDict(x, depth)
	case *value.Set, *view, *lazy, *ordering:
		items, err := r.items(v)
		if err != nil {
			return nil, false, err
		}
		if items, _, err = r.convertItems(items, depth); err != nil {
			return nil, false, err
		}
		return &value.List{Items: items}, true, nil
	case *scope:
		return nil, false, fail(Failed, "let(), with(), def() and unpack() give nothing by themselves").hint("go on with -> expression")
	case pair, *lambda:
		return nil, false, fail(Failed, "key => value is not a value")
	}
	return v, false, nil
}

func (r *run) convertItems(items []any, depth int) ([]any, bool, error) {
	out, copied := items, false
	for i, item := range items {
		if err := r.step(); err != nil {
			return nil, false, err
		}
		v, changed, err := r.convert(item, depth+1)
		if err != nil {
			return nil, false, err
		}
		if changed && !copied {
			out, copied = slices.Clone(items), true
			if err := r.charge(16 * len(items)); err != nil {
				return nil, false, err
			}
		}
		if changed {
			out[i] = v
		}
	}
	return out, copied, nil
}

func (r *run) convertDict(d *value.Dict, depth int) (any, bool, error) {
	out, copied := d, false
	for k, item := range d.All() {
		if err := r.step(); err != nil {
			return nil, false, err
		}
		switch k.(type) {
		case value.Tuple, *frozenMap, *lazy, *ordering, *view:
			if !r.spelling {
				return nil, false, fail(Failed, "a map in a result cannot have the key %s", describe(thaw(k))).hint("only within an expression can lists and maps be keys; use str()")
			}
		}
		v, changed, err := r.convert(item, depth+1)
		if err != nil {
			return nil, false, err
		}
		if changed && !copied {
			out, copied = d.Copy(), true
			if err := r.charge(48 * d.Len()); err != nil {
				return nil, false, err
			}
		}
		if changed {
			if err := out.Set(k, v); err != nil {
				return nil, false, err
			}
		}
	}
	return out, copied, nil
}

// YAQL's lists and maps are immutable and may be keys of maps and members of sets. The
// value model knows only tuples there: freeze gives what stands for a value as a key,
// thaw gives the value back.

// frozenMap is a map as a key.
type frozenMap struct {
	dict *value.Dict
	key  string // the same for equal maps
}

// HashKey makes equal maps one key.
func (f *frozenMap) HashKey() (any, bool) { return mapKey(f.key), true }

// mapKey is what maps are compared by.
type mapKey string

// Repr spells the map.
func (f *frozenMap) Repr() string { return value.Repr(asTuples(f.dict, 0)) }

func freeze(v any) any {
	switch x := v.(type) {
	case *value.List:
		return freezeItems(x.Items)
	case value.Tuple:
		return freezeItems(x)
	case *value.Set:
		return freezeItems(x.Items())
	case *value.Dict:
		rows := make([]string, 0, x.Len())
		for k, e := range x.All() {
			rows = append(rows, keyText(k)+"="+keyText(freeze(e)))
		}
		slices.Sort(rows)
		return &frozenMap{x, strings.Join(rows, ";")}
	}
	return v
}

// keyText spells a frozen value so that equal ones are spelled alike.
func keyText(v any) string {
	switch x := v.(type) {
	case *frozenMap:
		return fmt.Sprintf("{%d:%s}", len(x.key), x.key)
	case value.Tuple:
		var b strings.Builder
		for _, e := range x {
			t := keyText(e)
			fmt.Fprintf(&b, "%d:%s,", len(t), t)
		}
		return "(" + b.String() + ")"
	case bool:
		return strconv.Itoa(boolInt(x))
	case float64:
		if n := int64(x); float64(n) == x && n > -1<<53 && n < 1<<53 {
			return strconv.FormatInt(n, 10)
		}
	}
	return value.Repr(v)
}

// key is freeze for the keys of maps; finish will see to those that no result can have.
func (r *run) key(v any) any {
	switch v.(type) {
	case string, int64, nil, bool, float64:
		return v
	}
	r.lazy = true
	return freeze(v)
}

func freezeItems(items []any) any {
	out := make(value.Tuple, len(items))
	for i, e := range items {
		out[i] = freeze(e)
	}
	return out
}

func thaw(v any) any {
	if f, ok := v.(*frozenMap); ok {
		return f.dict
	}
	t, ok := v.(value.Tuple)
	if !ok {
		return v
	}
	out := &value.List{Items: make([]any, len(t))}
	for i, e := range t {
		out.Items[i] = thaw(e)
	}
	return out
}

// equal is the = of YAQL: lists and tuples are the same, everything else as in Python.
func (r *run) equal(a, b any) (bool, error) {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return ok && x == y, nil
	case *value.List, value.Tuple:
		if kindOf(b) != kList {
			return false, nil
		}
		xs, err := r.items(a)
		if err != nil {
			return false, err
		}
		ys, err := r.items(b)
		if err != nil || len(xs) != len(ys) {
			return false, err
		}
		return r.equalItems(xs, ys)
	case *value.Dict:
		y, ok := b.(*value.Dict)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		return r.equalDicts(x, y)
	case *value.Set, *view:
		if kindOf(a) != kSet || kindOf(b) != kSet {
			return a == b, nil
		}
		xs, ys, err := r.twoSets(a, b)
		return err == nil && xs.Len() == ys.Len() && subset(xs, ys), err
	case *lazy, *ordering, *scope, *regex:
		return a == b, nil
	case pair:
		return false, nil
	}
	if _, ok := b.(pair); ok {
		return false, nil
	}
	return value.Equal(a, b), nil
}

func (r *run) equalItems(xs, ys []any) (bool, error) {
	if err := r.enter(); err != nil {
		r.depth--
		return false, err
	}
	defer func() { r.depth-- }()
	for i := range xs {
		if err := r.step(); err != nil {
			return false, err
		}
		if same, err := r.equal(xs[i], ys[i]); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func (r *run) equalDicts(x, y *value.Dict) (bool, error) {
	if err := r.enter(); err != nil {
		r.depth--
		return false, err
	}
	defer func() { r.depth-- }()
	for k, v := range x.All() {
		w, ok := y.Get(k)
		if !ok {
			return false, nil
		}
		if same, err := r.equal(v, w); err != nil || !same {
			return false, err
		}
	}
	return true, nil
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
