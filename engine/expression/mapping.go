package expression

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"petrel/engine/expression/value"
)

// Mapping renders the values of a map in mapping mode. Keys stay as they are.
// Texts are rendered to text; lists and maps go through JSON, so everything in
// them becomes text too; a value that rendering does not change keeps its type.
// Without names nothing is rendered.
func (r *Renderer) Mapping(ctx context.Context, m any, names Names) (any, error) {
	v, err := value.FromGo(m)
	if err != nil {
		return nil, err
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("a map is rendered here, not a value of type %s", value.TypeName(v))
	}
	if len(names) == 0 {
		return d, nil
	}
	scope, err := withContext(names)
	if err != nil {
		return nil, err
	}
	out := value.NewDict(d.Len())
	for k, e := range d.All() {
		rendered, err := r.mappingValue(ctx, e, scope)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", value.Str(k), err)
		}
		_ = out.Set(k, rendered)
	}
	return out, nil
}

// withContext adds __context, the map of all names.
func withContext(names Names) (Names, error) {
	all := value.NewDict(len(names))
	scope := maps.Clone(names)
	for k, v := range names {
		c, err := value.FromGo(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		all.SetString(k, c)
		scope[k] = c
	}
	scope["__context"] = all
	return scope, nil
}

func (r *Renderer) mappingValue(ctx context.Context, v any, names Names) (any, error) {
	switch x := v.(type) {
	case string:
		return r.String(ctx, x, names)
	case *value.Dict, *value.List, value.Tuple:
		text, err := value.AppendJSON(nil, v)
		if err != nil {
			return nil, err
		}
		if !IsTemplate(string(text)) && !strings.Contains(string(text), "{#") {
			return v, nil
		}
		rendered, err := r.String(ctx, string(text), names)
		if err != nil {
			return nil, err
		}
		if rendered == string(text) {
			return v, nil
		}
		out, err := value.ParseJSON([]byte(rendered))
		if err != nil {
			return nil, fmt.Errorf("the rendered value is not JSON any more (a quote in a rendered text?): %w", err)
		}
		return out, nil
	}
	return v, nil // the text form of numbers, booleans and null holds no template
}

// Typed renders a pattern of rule criteria: {{ trigger.n }} keeps its type where
// the result is JSON, everything else becomes text. Texts only are rendered.
func (r *Renderer) Typed(ctx context.Context, pattern string, names Names) (any, error) {
	end := strings.LastIndex(pattern, "}}")
	if start := strings.Index(pattern, "{{"); start >= 0 && start < end && !strings.Contains(pattern[start:end], "\n") {
		text, err := r.String(ctx, pattern[:end]+" | to_complex"+pattern[end:], names)
		if err != nil {
			return nil, err
		}
		if v, err := value.ParseJSON([]byte(text)); err == nil {
			return v, nil
		}
	}
	return r.String(ctx, pattern, names)
}
