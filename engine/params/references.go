package params

import (
	"fmt"
	"strings"

	"petrel/engine/expression/value"
)

// references replaces {$ref: ...} in a schema by what it stands for.
type references struct {
	root *value.Dict
	open []string
}

// tidy copies a schema without references and without keywords that are unknown:
// real packs have a few (roles, filter, patternproperties).
func (r *references) tidy(s *value.Dict, depth int) (*value.Dict, error) {
	if depth > maxSchemaDepth {
		return nil, fmt.Errorf("the schema is nested deeper than %d levels", maxSchemaDepth)
	}
	if ref, ok := s.GetString("$ref"); ok {
		return r.follow(ref, depth)
	}
	out := value.NewDict(s.Len())
	for k, v := range s.All() {
		key := value.Str(k)
		kind, known := keywords[key]
		if !known {
			continue
		}
		switch kind {
		case kindSchema, kindSchemas, kindItems, kindFlagSchema:
			tidied, err := r.tidyAny(v, depth)
			if err != nil {
				return nil, err
			}
			v = tidied
		case kindSchemaMap, kindDependences:
			if d, ok := v.(*value.Dict); ok {
				m := value.NewDict(d.Len())
				for name, e := range d.All() {
					tidied, err := r.tidyAny(e, depth)
					if err != nil {
						return nil, err
					}
					_ = m.Set(name, tidied)
				}
				v = m
			}
		}
		out.SetString(key, v)
	}
	return out, nil
}

func (r *references) tidyAny(v any, depth int) (any, error) {
	switch x := v.(type) {
	case *value.Dict:
		return r.tidy(x, depth+1)
	case *value.List:
		out := &value.List{Items: make([]any, len(x.Items))}
		for i, e := range x.Items {
			var err error
			if out.Items[i], err = r.tidyAny(e, depth); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// follow finds what a reference stands for. One that contains itself is cut
// off: anything goes there.
func (r *references) follow(ref any, depth int) (*value.Dict, error) {
	pointer, ok := ref.(string)
	if !ok || !strings.HasPrefix(pointer, "#") {
		return nil, fmt.Errorf("$ref %s must point into the file itself, for example #/properties/name", value.Repr(ref))
	}
	for _, open := range r.open {
		if open == pointer {
			return value.NewDict(0), nil
		}
	}
	var at any = r.root
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(pointer, "#"), "/"), "/") {
		if part == "" {
			continue
		}
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		d, _ := at.(*value.Dict)
		if at, ok = d.GetString(part); !ok {
			return nil, fmt.Errorf("$ref %q points to nothing", pointer)
		}
	}
	d, ok := at.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("$ref %q does not point to a schema", pointer)
	}
	r.open = append(r.open, pointer)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	return r.tidy(d, depth+1)
}
