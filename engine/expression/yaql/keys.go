package yaql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"petrel/engine/expression/value"
)

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
