package value

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"sort"
	"time"
)

// FromGo turns a Go value into a value of the model. The keys of Go maps are
// sorted; values of the model are taken as they are, not copied.
func FromGo(v any) (any, error) { return fromGo(v, 0) }

func fromGo(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("value is nested deeper than %d levels", maxDepth)
	}
	switch x := v.(type) {
	case nil, bool, int64, float64, string, *List, Tuple, *Dict, *Set, Bytes, Date, time.Time:
		return v, nil
	case int:
		return int64(x), nil
	case *big.Int:
		return NormInt(x), nil
	case json.Number:
		return parseNumber(string(x))
	case json.RawMessage:
		if len(x) == 0 {
			return nil, nil
		}
		return ParseJSON(x)
	case map[string]any:
		return fromMap(x, depth)
	case []any:
		items := make([]any, len(x))
		for i, e := range x {
			var err error
			if items[i], err = fromGo(e, depth+1); err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return &List{items}, nil
	case []byte:
		return Bytes(x), nil
	case Namer, Speller, Representer, Truther, Sized, Iterable, Equaler, Plainer, Hasher:
		return v, nil
	}
	return fromReflect(v, depth)
}

func fromMap(m map[string]any, depth int) (any, error) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	d := NewDict(len(m))
	for _, k := range keys {
		e, err := fromGo(m[k], depth+1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		d.SetString(k, e)
	}
	return d, nil
}

// fromReflect handles named and less common Go types; structs go through their JSON form.
func fromReflect(v any, depth int) (any, error) {
	if m, ok := v.(json.Marshaler); ok {
		return viaJSON(m)
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Bool:
		return rv.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return rv.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return NormInt(new(big.Int).SetUint64(rv.Uint())), nil
	case reflect.Float32, reflect.Float64:
		return rv.Float(), nil
	case reflect.String:
		return rv.String(), nil
	case reflect.Pointer, reflect.Interface:
		if rv.IsNil() {
			return nil, nil
		}
		return fromGo(rv.Elem().Interface(), depth+1)
	case reflect.Slice, reflect.Array:
		items := make([]any, rv.Len())
		for i := range items {
			var err error
			if items[i], err = fromGo(rv.Index(i).Interface(), depth+1); err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return &List{items}, nil
	case reflect.Map:
		if rv.Type().Key().Kind() != reflect.String {
			break
		}
		m := make(map[string]any, rv.Len())
		for it := rv.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().Interface()
		}
		return fromMap(m, depth)
	case reflect.Struct:
		return viaJSON(v)
	}
	return nil, fmt.Errorf("a Go %T cannot be used in an expression", v)
}

func viaJSON(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return ParseJSON(b)
}

// ToGo turns a value into plain Go: map[string]any, []any, string, bool, nil,
// int64, float64 and json.Number for big integers, fit for encoding/json and
// JSON schema validation. Keys become text as JSON spells them; datetimes, dates
// and private types without a plain form become their text.
func ToGo(v any) any {
	c := goConverter{done: map[any]any{}}
	return c.convert(v, 0)
}

// goConverter remembers the containers it has converted, so that shared parts stay shared.
type goConverter struct{ done map[any]any }

func (c *goConverter) convert(v any, depth int) any {
	if depth > maxDepth {
		return nil
	}
	switch x := v.(type) {
	case nil, bool, int64, float64, string:
		return v
	case *big.Int:
		return json.Number(x.String())
	case *List:
		if g, ok := c.done[x]; ok {
			return g
		}
		out := make([]any, len(x.Items))
		c.done[x] = out
		c.fill(out, x.Items, depth)
		return out
	case Tuple:
		out := make([]any, len(x))
		c.fill(out, x, depth)
		return out
	case *Set:
		out := make([]any, x.Len())
		c.fill(out, x.Items(), depth)
		return out
	case *Dict:
		if g, ok := c.done[x]; ok {
			return g
		}
		out := make(map[string]any, x.Len())
		c.done[x] = out
		for k, e := range x.All() {
			key, err := jsonKey(k)
			if err != nil {
				key = Str(k)
			}
			out[key] = c.convert(e, depth+1)
		}
		return out
	case Bytes:
		return string(x)
	case time.Time:
		return ISOFormat(x)
	case Plainer:
		if p, err := x.Plain(); err == nil {
			return c.convert(p, depth+1)
		}
	}
	return Str(v)
}

func (c *goConverter) fill(out, items []any, depth int) {
	for i, e := range items {
		out[i] = c.convert(e, depth+1)
	}
}

// DeepCopy copies lists and dictionaries at every level, so that the copy can be
// changed without touching the original. Shared parts stay shared within the copy.
func DeepCopy(v any) any {
	return deepCopy(v, map[any]any{}, 0)
}

func deepCopy(v any, done map[any]any, depth int) any {
	if depth > maxDepth {
		return v
	}
	switch x := v.(type) {
	case *List:
		if c, ok := done[x]; ok {
			return c
		}
		out := &List{make([]any, len(x.Items))}
		done[x] = out
		for i, e := range x.Items {
			out.Items[i] = deepCopy(e, done, depth+1)
		}
		return out
	case Tuple:
		out := make(Tuple, len(x))
		for i, e := range x {
			out[i] = deepCopy(e, done, depth+1)
		}
		return out
	case *Dict:
		if c, ok := done[x]; ok {
			return c
		}
		out := NewDict(x.Len())
		done[x] = out
		for k, e := range x.All() {
			_ = out.Set(k, deepCopy(e, done, depth+1))
		}
		return out
	case *Set:
		out := &Set{}
		out.d.Update(&x.d)
		return out
	}
	return v
}
