package yaql

import (
	"slices"

	"petrel/engine/expression/value"
)

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
