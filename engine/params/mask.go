package params

import (
	"encoding/json"

	"petrel/engine/expression/pyregex"
	"petrel/engine/expression/value"
)

// Mask replaces the values of secret parameters by MaskedValue, at any depth that
// their schemas describe. Parameters that cannot be read become null: nothing
// secret may slip through.
func (s *Set) Mask(params json.RawMessage) json.RawMessage {
	if len(s.secrets) == 0 || len(params) == 0 {
		return params
	}
	d, err := parse(params)
	if err != nil {
		return json.RawMessage("null")
	}
	out, err := value.AppendJSON(nil, s.MaskValues(d))
	if err != nil {
		return json.RawMessage("null")
	}
	return out
}

// MaskValues is Mask for values of the model; it copies what it changes.
func (s *Set) MaskValues(params *value.Dict) *value.Dict {
	out := value.NewDict(params.Len())
	for k, v := range params.All() {
		if name, ok := k.(string); ok && s.secrets[name] != nil {
			v = mask(v, s.secrets[name], 0)
		}
		_ = out.Set(k, v)
	}
	return out
}

// hasSecret tells whether a schema marks anything as secret.
func hasSecret(v any, depth int) bool {
	if depth > maxSchemaDepth {
		return true
	}
	switch x := v.(type) {
	case *value.Dict:
		for k, e := range x.All() {
			if k == "secret" && value.Truth(e) {
				return true
			}
			if k != "default" && k != "enum" && hasSecret(e, depth+1) {
				return true
			}
		}
	case *value.List:
		for _, e := range x.Items {
			if hasSecret(e, depth+1) {
				return true
			}
		}
	}
	return false
}

// mask follows a value along its schema. What does not have the shape that the
// schema describes is left alone.
func mask(v any, s *value.Dict, depth int) any {
	if flag(s, "secret") {
		return MaskedValue
	}
	if depth > maxSchemaDepth {
		return MaskedValue
	}
	switch x := v.(type) {
	case *value.Dict:
		return maskObject(x, s, depth)
	case *value.List:
		return maskList(x, s, depth)
	}
	return v
}

func maskObject(d, s *value.Dict, depth int) any {
	out := value.NewDict(d.Len())
	for k, v := range d.All() {
		if sub := propertySchema(s, value.Str(k)); sub != nil {
			v = mask(v, sub, depth+1)
		}
		_ = out.Set(k, v)
	}
	return out
}

// propertySchema finds the schema of a property: properties, patternProperties, additionalProperties.
func propertySchema(s *value.Dict, name string) *value.Dict {
	if sub := dictAt(dictAt(s, "properties"), name); sub != nil {
		return sub
	}
	for p, e := range dictAt(s, "patternProperties").All() {
		sub, ok := e.(*value.Dict)
		if !ok {
			continue
		}
		re, err := pyregex.Compile(value.Str(p), 0)
		if err != nil {
			continue
		}
		if m, err := re.Search(name); err != nil || m != nil {
			return sub
		}
	}
	return dictAt(s, "additionalProperties")
}

func dictAt(d *value.Dict, key string) *value.Dict {
	v, _ := d.GetString(key)
	sub, _ := v.(*value.Dict)
	return sub
}

func maskList(l *value.List, s *value.Dict, depth int) any {
	items, _ := s.GetString("items")
	one, _ := items.(*value.Dict)
	positional, _ := items.(*value.List)
	out := &value.List{Items: make([]any, len(l.Items))}
	for i, v := range l.Items {
		sub := one
		if positional != nil {
			sub = dictAt(s, "additionalItems")
			if i < len(positional.Items) {
				sub, _ = positional.Items[i].(*value.Dict)
			}
		}
		if sub != nil {
			v = mask(v, sub, depth+1)
		}
		out.Items[i] = v
	}
	return out
}
