package exprlang

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/vm/runtime"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// run is one evaluation: what it may still use of its limits.
type run struct {
	ctx    context.Context
	env    *Env
	call   functions.Call
	steps  int
	memory int
}

// work counts n steps and looks at the context.
func (r *run) work(n int) error {
	if r.steps -= n + 1; r.steps < 0 {
		return &Error{Msg: "the evaluation takes too many steps", Pos: -1}
	}
	return r.ctx.Err()
}

// charge counts n bytes that are about to be made.
func (r *run) charge(n int) error {
	if n < 0 || n > r.memory {
		return &Error{Msg: "the evaluation needs too much memory", Pos: -1}
	}
	r.memory -= n
	return nil
}

// shared are the functions that all languages share.
var shared = sync.OnceValue(func() map[string]*functions.Func { return functions.ByName(functions.Everywhere) })

// sharedFunction makes one of them callable: the last argument is the evaluation.
func sharedFunction(f *functions.Func) *builtin.Function {
	return &builtin.Function{Name: f.Name, Func: func(params ...any) (any, error) {
		r := params[len(params)-1].(*run)
		if err := r.work(0); err != nil {
			return nil, err
		}
		args := make([]any, len(params)-1)
		for i := range args {
			var err error
			if args[i], err = r.value(params[i]); err != nil {
				return nil, err
			}
		}
		bound, err := f.Bind(args, nil, nil)
		if err != nil {
			return nil, err
		}
		out, err := f.Run(&r.call, bound)
		if s, ok := out.(string); ok && err == nil {
			err = r.charge(len(s))
		}
		return out, err
	}}
}

// helpers are the functions that [patcher] puts in the place of operators.
var helpers = sync.OnceValue(func() map[string]*builtin.Function {
	table := map[string]func(r *run, a []any) (any, error){
		"get":         func(r *run, a []any) (any, error) { return r.get(a[0], a[1], false) },
		"getOptional": func(r *run, a []any) (any, error) { return r.get(a[0], a[1], true) },
		"equal":       func(r *run, a []any) (any, error) { return r.equal(a[0], a[1]) },
		"notEqual": func(r *run, a []any) (any, error) {
			same, err := r.equal(a[0], a[1])
			return !same, err
		},
		"in":  func(r *run, a []any) (any, error) { return r.in(a[0], a[1]) },
		"add": func(r *run, a []any) (any, error) { return r.add(a[0], a[1]) },
		"go":  func(r *run, a []any) (any, error) { return r.plain(a[0]) },
		"len": length, "keys": keys, "values": values, "pairs": pairs, "string": text, "toJSON": toJSON, "fromJSON": fromJSON,
		"join": join, "replace": replace, "repeat": repeat, "now": now,
	}
	out := make(map[string]*builtin.Function, len(table))
	for name, f := range table {
		out[reserved+name] = &builtin.Function{Name: reserved + name, Func: func(params ...any) (any, error) {
			r := params[len(params)-1].(*run)
			if err := r.work(0); err != nil {
				return nil, err
			}
			return f(r, params[:len(params)-1])
		}}
	}
	return out
})

// fielder is what datastore lookups are: every member extends the key.
type fielder interface{ Field(name string) any }

// norm turns what expr makes into what the value model knows, at the top level.
func norm(v any) any {
	switch x := v.(type) {
	case nil, bool, int64, float64, string, *value.Dict, *value.List:
		return v
	case int:
		return int64(x)
	case fielder, value.Plainer:
		if p, ok := x.(value.Plainer); ok {
			if plain, err := p.Plain(); err == nil {
				return plain
			}
		}
	}
	return v
}

func nameOf(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case string:
		return "text"
	case int, int64, float64, *big.Int:
		return "a number"
	case bool:
		return "true or false"
	case *value.Dict, map[string]any, map[any][]any:
		return "a map"
	case *value.List, value.Tuple, []any, *value.Set:
		return "a list"
	case time.Time:
		return "a time"
	}
	return value.TypeName(v)
}

// get is object.key and object[key]: nil where a map has no such key.
func (r *run) get(object, key any, optional bool) (any, error) {
	switch x := object.(type) {
	case nil:
		if optional {
			return nil, nil
		}
		return nil, &Error{Msg: fmt.Sprintf("%s of nil", describeKey(key)), Hint: "?. gives nil where there is nothing", Pos: -1}
	case *value.Dict:
		if s, ok := key.(string); ok {
			v, _ := x.GetString(s)
			return v, nil
		}
		v, _ := x.Get(norm(key))
		return v, nil
	case map[string]any:
		s, _ := key.(string)
		return x[s], nil
	case map[any][]any:
		if list, ok := x[key]; ok {
			return list, nil
		}
		return nil, nil
	case *value.List:
		return item(x.Items, key, optional)
	case value.Tuple:
		return item(x, key, optional)
	case []any:
		return item(x, key, optional)
	case string:
		runes := []rune(x)
		if err := r.work(len(runes) / 16); err != nil {
			return nil, err
		}
		return item(runes, key, optional)
	case fielder:
		return x.Field(value.Str(norm(key))), nil
	case value.Plainer:
		plain, err := x.Plain()
		if err != nil {
			return nil, err
		}
		return r.get(plain, key, optional)
	}
	return nil, &Error{Msg: fmt.Sprintf("%s has no %s", nameOf(object), describeKey(key)), Pos: -1}
}

func describeKey(key any) string {
	if s, ok := key.(string); ok {
		return "member " + s
	}
	return "item " + value.Repr(norm(key))
}

func item[T any](items []T, key any, optional bool) (any, error) {
	i, ok := norm(key).(int64)
	if !ok {
		return nil, &Error{Msg: fmt.Sprintf("a list has no %s", describeKey(key)), Hint: "items have numbers; map(list, .name) gives a member of each", Pos: -1}
	}
	n := int64(len(items))
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		if optional {
			return nil, nil
		}
		return nil, &Error{Msg: fmt.Sprintf("index %d is out of range: the list has %d items", norm(key), n), Pos: -1}
	}
	if c, ok := any(items[i]).(rune); ok {
		return string(c), nil
	}
	return items[i], nil
}

// itemsOf gives the items of a list, ok=false for anything else.
func itemsOf(v any) ([]any, bool) {
	switch x := v.(type) {
	case []any:
		return x, true
	case *value.List:
		return x.Items, true
	case value.Tuple:
		return x, true
	case *value.Set:
		return x.Items(), true
	case []int:
		out := make([]any, len(x))
		for i, n := range x {
			out[i] = int64(n)
		}
		return out, true
	case []string:
		out := make([]any, len(x))
		for i, s := range x {
			out[i] = s
		}
		return out, true
	}
	return nil, false
}

// plain gives lists and maps the Go form that expr's own functions take, at the top
// level, and counts the work that can be done on them.
func (r *run) plain(v any) (any, error) {
	v = norm(v)
	switch x := v.(type) {
	case string:
		return v, r.work(len(x) / 16)
	case *value.Dict:
		out := make(map[string]any, x.Len())
		for k, e := range x.All() {
			out[value.Str(k)] = e
		}
		return out, r.work(x.Len())
	case map[string]any:
		return v, r.work(len(x))
	}
	if items, ok := itemsOf(v); ok {
		return items, r.work(len(items))
	}
	return v, nil
}

func (r *run) equal(a, b any) (bool, error) {
	a, b = norm(a), norm(b)
	if x, ok := a.(string); ok {
		y, ok := b.(string)
		return ok && x == y, r.work(min(len(x), len(y)) / 16)
	}
	if t, ok := a.(time.Time); ok {
		u, ok := b.(time.Time)
		return ok && t.Equal(u), nil
	}
	x, err := r.value(a)
	if err != nil {
		return false, err
	}
	y, err := r.value(b)
	if err != nil {
		return false, err
	}
	if n, err := value.Len(x); err == nil {
		if err := r.work(n); err != nil {
			return false, err
		}
	}
	return sameKind(x, y) && value.Equal(x, y), nil
}

// sameKind keeps true from being 1: expr is stricter there than Python.
func sameKind(x, y any) bool {
	_, xb := x.(bool)
	_, yb := y.(bool)
	return xb == yb
}

// in is: item of a list, key of a map, part of a text.
func (r *run) in(needle, in any) (bool, error) {
	needle, in = norm(needle), norm(in)
	switch x := in.(type) {
	case nil:
		return false, nil
	case *value.Dict:
		_, ok := x.Get(needle)
		return ok, nil
	case map[string]any:
		s, ok := needle.(string)
		if ok {
			_, ok = x[s]
		}
		return ok, nil
	case string:
		s, ok := needle.(string)
		if !ok {
			return false, &Error{Msg: fmt.Sprintf("%s cannot be in a text", nameOf(needle)), Pos: -1}
		}
		return strings.Contains(x, s), r.work(len(x) / 16)
	}
	items, ok := itemsOf(in)
	if !ok {
		return false, &Error{Msg: fmt.Sprintf("nothing is in %s", nameOf(in)), Hint: "right of in stands a list, a map or a text", Pos: -1}
	}
	for _, item := range items {
		if s, ok := item.(string); ok {
			if n, ok := needle.(string); ok && n == s {
				return true, r.work(len(s) / 16)
			}
			continue
		}
		same, err := r.equal(needle, item)
		if err != nil || same {
			return same, err
		}
	}
	return false, r.work(len(items) / 4)
}

func (r *run) add(a, b any) (any, error) {
	a, b = norm(a), norm(b)
	x, okx := a.(string)
	y, oky := b.(string)
	switch {
	case okx && oky:
		return x + y, r.charge(len(x) + len(y))
	case okx != oky:
		return nil, &Error{Msg: fmt.Sprintf("%s + %s", nameOf(a), nameOf(b)), Hint: "convert one with string() or int()", Pos: -1}
	}
	_, abool := a.(bool)
	_, bbool := b.(bool)
	if v, ok, err := value.Add(a, b); ok && !abool && !bbool {
		return v, err
	}
	if xs, ok := itemsOf(a); ok {
		if ys, ok := itemsOf(b); ok {
			return append(append(make([]any, 0, len(xs)+len(ys)), xs...), ys...), r.charge(16 * (len(xs) + len(ys)))
		}
	}
	if a == nil || b == nil {
		return nil, &Error{Msg: fmt.Sprintf("%s + %s", nameOf(a), nameOf(b)), Hint: "x ?? default gives another value for nil", Pos: -1}
	}
	return runtime.Add(a, b), nil
}

// maxDepth bounds the nesting of what expr makes.
const maxDepth = 500

// value turns what expr makes into a value of the Python value model. Parts that are
// shared are converted each time they are met, so the work is counted.
func (r *run) value(v any) (any, error) { return r.convert(v, 0) }

func (r *run) convert(v any, depth int) (any, error) {
	switch v.(type) {
	case nil, bool, int64, float64, string, *value.Dict, *value.List:
		return v, nil
	}
	if depth > maxDepth {
		return nil, &Error{Msg: fmt.Sprintf("the value is nested deeper than %d", maxDepth), Pos: -1}
	}
	switch x := v.(type) {
	case map[any][]any: // groupBy
		keys := slices.SortedFunc(maps.Keys(x), func(a, b any) int { // expr forgets their order
			if c, err := value.Compare(norm(a), norm(b)); err == nil {
				return c
			}
			return strings.Compare(value.Repr(norm(a)), value.Repr(norm(b)))
		})
		return convertMap(r, slices.Values(keys), func(k any) any { return x[k] }, depth)
	case map[string]any:
		return convertMap(r, slices.Values(slices.Sorted(maps.Keys(x))), func(k string) any { return x[k] }, depth)
	case []any:
		if err := r.charge(16 * len(x)); err != nil {
			return nil, err
		}
		out := &value.List{Items: make([]any, len(x))}
		for i, e := range x {
			var err error
			if out.Items[i], err = r.convert(e, depth+1); err != nil {
				return nil, err
			}
		}
		return out, r.work(len(x))
	case time.Duration:
		return x.String(), nil
	case time.Month:
		return int64(x), nil
	}
	return value.FromGo(norm(v))
}

func convertMap[K any](r *run, keys iter.Seq[K], get func(K) any, depth int) (any, error) {
	d := value.NewDict(0)
	for k := range keys {
		if err := r.charge(48); err != nil {
			return nil, err
		}
		key, err := r.convert(k, depth+1)
		if err != nil {
			return nil, err
		}
		v, err := r.convert(get(k), depth+1)
		if err != nil {
			return nil, err
		}
		if err := d.Set(key, v); err != nil {
			return nil, err
		}
	}
	return d, r.work(d.Len())
}
