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

// Typed renders a pattern of rule criteria. A pattern that is one expression, {{ trigger.n + 1 }}, gives its value where that can be written
// as JSON; a list or an object may also be put together from text and expressions, [{{ trigger.n }}, 2]; everything else becomes text.
//
// StackStorm appends a filter to the last expression, so that arithmetic fails and {{ 10 }}5 is the number 105; neither is meant by anybody.
func (r *Renderer) Typed(ctx context.Context, pattern string, names Names) (any, error) {
	if inner, ok := soleExpression(pattern); ok {
		whole := "{{ (" + inner + ") | to_complex }}"
		if _, err := r.Template(whole); err == nil {
			text, err := r.String(ctx, whole, names)
			if err != nil {
				return nil, err
			}
			if v, err := value.ParseJSON([]byte(text)); err == nil {
				return v, nil
			}
			return r.String(ctx, pattern, names)
		}
	}
	text, err := r.String(ctx, pattern, names)
	if err != nil || !strings.HasPrefix(pattern, "[") && !strings.HasPrefix(pattern, "{") {
		return text, err
	}
	start := max(0, strings.LastIndex(pattern, "{{"))
	end := strings.Index(pattern[start:], "}}")
	if end < 0 {
		return text, nil
	}
	end += start
	complexText, err := r.String(ctx, pattern[:end]+" | to_complex"+pattern[end:], names)
	if err != nil {
		return text, nil
	}
	switch v, err := value.ParseJSON([]byte(complexText)); v.(type) {
	case *value.List, *value.Dict:
		if err == nil {
			return v, nil
		}
	}
	return text, nil
}

// soleExpression returns what stands between the braces when a pattern begins and ends with them, white space and its markers left out.
// Whether that is one expression is for the parser to say.
func soleExpression(pattern string) (string, bool) {
	inner, begins := strings.CutPrefix(strings.TrimSpace(pattern), "{{")
	inner, ends := strings.CutSuffix(inner, "}}")
	if inner != "" && strings.Contains("-+", inner[:1]) {
		inner = inner[1:]
	}
	return strings.TrimSuffix(inner, "-"), begins && ends
}
