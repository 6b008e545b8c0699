package exprlang

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// The builtins of expr that are replaced; see own.

func arguments(name string, a []any, least, most int) error {
	if len(a) < least || len(a) > most {
		return &Error{Msg: fmt.Sprintf("%s() does not take %d arguments", name, len(a)), Pos: -1}
	}
	return nil
}

func length(_ *run, a []any) (any, error) {
	if err := arguments("len", a, 1, 1); err != nil {
		return nil, err
	}
	switch x := norm(a[0]).(type) {
	case string:
		return utf8.RuneCountInString(x), nil
	case *value.Dict:
		return x.Len(), nil
	case map[string]any:
		return len(x), nil
	case map[any][]any:
		return len(x), nil
	default:
		if items, ok := itemsOf(x); ok {
			return len(items), nil
		}
	}
	return nil, &Error{Msg: fmt.Sprintf("%s has no length", nameOf(a[0])), Pos: -1}
}

// mapOf gives a map argument with its keys in order.
func (r *run) mapOf(name string, a []any) (*value.Dict, error) {
	if err := arguments(name, a, 1, 1); err != nil {
		return nil, err
	}
	v, err := r.value(a[0])
	if err != nil {
		return nil, err
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return nil, &Error{Msg: fmt.Sprintf("%s() needs a map, not %s", name, nameOf(a[0])), Pos: -1}
	}
	return d, nil
}

func keys(r *run, a []any) (any, error) {
	d, err := r.mapOf("keys", a)
	if err != nil {
		return nil, err
	}
	return d.Keys(), r.charge(16 * d.Len())
}

func values(r *run, a []any) (any, error) {
	d, err := r.mapOf("values", a)
	if err != nil {
		return nil, err
	}
	return d.Values(), r.charge(16 * d.Len())
}

func pairs(r *run, a []any) (any, error) {
	d, err := r.mapOf("toPairs", a)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, d.Len())
	for k, v := range d.All() {
		out = append(out, []any{k, v})
	}
	return out, r.charge(64 * d.Len())
}

// text is string(x): as Python spells values.
func text(r *run, a []any) (any, error) {
	if err := arguments("string", a, 1, 1); err != nil {
		return nil, err
	}
	v, err := r.value(a[0])
	if err != nil {
		return nil, err
	}
	s, err := value.StrLimit(v, r.memory)
	if err != nil {
		return nil, err
	}
	return s, r.charge(len(s))
}

func toJSON(r *run, a []any) (any, error) {
	if err := arguments("toJSON", a, 1, 1); err != nil {
		return nil, err
	}
	v, err := r.value(a[0])
	if err != nil {
		return nil, err
	}
	s, err := value.DumpJSON(v, value.JSONOptions{Limit: max(r.memory, 1)})
	if err != nil {
		return nil, err
	}
	return s, r.charge(len(s))
}

func fromJSON(r *run, a []any) (any, error) {
	if err := arguments("fromJSON", a, 1, 1); err != nil {
		return nil, err
	}
	s, ok := norm(a[0]).(string)
	if !ok {
		return nil, &Error{Msg: fmt.Sprintf("fromJSON() needs text, not %s", nameOf(a[0])), Pos: -1}
	}
	if err := r.charge(4 * len(s)); err != nil {
		return nil, err
	}
	return functions.FromJSON(s)
}

func join(r *run, a []any) (any, error) {
	if err := arguments("join", a, 1, 2); err != nil {
		return nil, err
	}
	items, ok := itemsOf(norm(a[0]))
	if !ok {
		return nil, &Error{Msg: fmt.Sprintf("join() needs a list, not %s", nameOf(a[0])), Pos: -1}
	}
	glue := ""
	if len(a) == 2 {
		if glue, ok = norm(a[1]).(string); !ok {
			return nil, &Error{Msg: fmt.Sprintf("join() needs text between the items, not %s", nameOf(a[1])), Pos: -1}
		}
	}
	parts := make([]string, len(items))
	for i, item := range items {
		v, err := r.value(item)
		if err != nil {
			return nil, err
		}
		if parts[i], err = value.StrLimit(v, r.memory); err != nil {
			return nil, err
		}
		if err := r.charge(len(parts[i]) + len(glue)); err != nil {
			return nil, err
		}
	}
	return strings.Join(parts, glue), r.work(len(items))
}

func replace(r *run, a []any) (any, error) {
	if err := arguments("replace", a, 3, 4); err != nil {
		return nil, err
	}
	var s [3]string
	for i := range s {
		var ok bool
		if s[i], ok = norm(a[i]).(string); !ok {
			return nil, &Error{Msg: fmt.Sprintf("replace() needs text, not %s", nameOf(a[i])), Pos: -1}
		}
	}
	n := -1
	if len(a) == 4 {
		i, ok := norm(a[3]).(int64)
		if !ok {
			return nil, &Error{Msg: fmt.Sprintf("replace() needs a number of times, not %s", nameOf(a[3])), Pos: -1}
		}
		n = int(i)
	}
	hits := strings.Count(s[0], s[1])
	if n >= 0 {
		hits = min(hits, n)
	}
	if len(s[2]) > 0 && hits > r.memory/len(s[2]) {
		return nil, r.charge(-1)
	}
	if err := r.charge(len(s[0]) + hits*len(s[2])); err != nil {
		return nil, err
	}
	return strings.Replace(s[0], s[1], s[2], n), nil
}

func repeat(r *run, a []any) (any, error) {
	if err := arguments("repeat", a, 2, 2); err != nil {
		return nil, err
	}
	s, ok := norm(a[0]).(string)
	n, okn := norm(a[1]).(int64)
	if !ok || !okn || n < 0 {
		return nil, &Error{Msg: "repeat() needs a text and a number of times", Pos: -1}
	}
	if len(s) > 0 && n > int64(r.memory/len(s)) {
		return nil, r.charge(-1)
	}
	return strings.Repeat(s, int(n)), r.charge(len(s) * int(n))
}

func now(r *run, a []any) (any, error) {
	if err := arguments("now", a, 0, 0); err != nil {
		return nil, err
	}
	if r.env.Now != nil {
		return r.env.Now(), nil
	}
	return time.Now().UTC(), nil
}
