package params

import (
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"petrel/engine/expression"
	"petrel/engine/expression/pyregex"
	"petrel/engine/expression/value"
)

// validator is a schema of the dialect, compiled as JSON schema draft 4.
type validator struct {
	dialect *value.Dict // nil: anything is valid
	schema  *jsonschema.Schema
}

// objectSchema is the schema of all parameters together. Without parameters there
// is none: anything is accepted then, and dropped later.
func (s *Set) objectSchema() *value.Dict {
	if len(s.names) == 0 {
		return nil
	}
	properties := value.NewDict(len(s.names))
	for _, name := range s.names {
		properties.SetString(name, s.merged[name])
	}
	return value.DictOf("type", "object", "properties", properties, "additionalProperties", false)
}

func newValidator(dialect *value.Dict) (validator, error) {
	if dialect == nil {
		return validator{}, nil
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(jsonschema.SchemeURLLoader{}) // schemas load nothing
	c.UseRegexpEngine(compilePattern)
	const url = "mem:///parameters"
	if err := c.AddResource(url, value.ToGo(toDraft4(dialect, true))); err != nil {
		return validator{}, fmt.Errorf("the schema cannot be used: %w", err)
	}
	compiled, err := c.Compile(url)
	if err != nil {
		return validator{}, fmt.Errorf("the schema cannot be used: %w", err)
	}
	return validator{dialect, compiled}, nil
}

// pattern is a Python regular expression in a schema. One that cannot be compiled
// is accepted, as at registration upstream, and matches nothing.
type pattern struct {
	text string
	re   *pyregex.Regexp
}

func compilePattern(text string) (jsonschema.Regexp, error) {
	re, err := pyregex.Compile(text, 0)
	if err != nil {
		re = nil
	}
	return &pattern{text, re}, nil
}

// MatchString searches anywhere in s, as Python's jsonschema does.
func (p *pattern) MatchString(s string) bool {
	if p.re == nil {
		return false
	}
	m, err := p.re.Search(s)
	return err == nil && m != nil
}

func (p *pattern) String() string { return p.text }

// dialectOnly are the keywords that draft 4 does not know, or that mean nothing to a check.
var dialectOnly = map[string]bool{
	"secret": true, "immutable": true, "position": true, "required": true, "default": true,
	"title": true, "description": true, "id": true, "$schema": true,
}

// toDraft4 translates a schema: the boolean "required" of properties becomes the
// list of their object, and, along object properties and list items, optional
// properties and those with a default of null also accept null.
func toDraft4(s *value.Dict, nullable bool) *value.Dict {
	out := value.NewDict(s.Len())
	for k, v := range s.All() {
		key := k.(string)
		if dialectOnly[key] {
			continue
		}
		switch kind := keywords[key]; kind {
		case kindSchema, kindFlagSchema, kindItems, kindSchemas:
			out.SetString(key, mapSchemas(v, func(d *value.Dict) *value.Dict { return toDraft4(d, nullable && key == "items") }))
		case kindSchemaMap, kindDependences:
			d, _ := v.(*value.Dict)
			m := value.NewDict(d.Len())
			for name, e := range d.All() {
				_ = m.Set(name, mapSchemas(e, func(d *value.Dict) *value.Dict {
					if lateTemplate(d) {
						return value.NewDict(0)
					}
					t := toDraft4(d, nullable && key == "properties")
					if nullable && key == "properties" {
						acceptNull(d, t)
					}
					return t
				}))
			}
			out.SetString(key, m)
			if required := requiredNames(d); key == "properties" && len(required) > 0 {
				out.SetString("required", &value.List{Items: required})
			}
		default:
			out.SetString(key, v)
		}
	}
	return out
}

// lateTemplate tells whether a property can be nothing but a template that is
// rendered after the check. Upstream checks the raw template and fails.
func lateTemplate(d *value.Dict) bool {
	def, _ := d.GetString("default")
	text, ok := def.(string)
	return ok && flag(d, "immutable") && expression.IsTemplate(text)
}

// mapSchemas applies f to a schema or to the schemas of a list and leaves the rest.
func mapSchemas(v any, f func(*value.Dict) *value.Dict) any {
	switch x := v.(type) {
	case *value.Dict:
		return f(x)
	case *value.List:
		out := &value.List{Items: make([]any, len(x.Items))}
		for i, e := range x.Items {
			out.Items[i] = mapSchemas(e, f)
		}
		return out
	}
	return v
}

func requiredNames(properties *value.Dict) []any {
	var out []any
	for name, e := range properties.All() {
		if d, ok := e.(*value.Dict); ok && flag(d, "required") {
			out = append(out, name)
		}
	}
	return out
}

// acceptNull lets a property be null when it is optional or its default is null.
func acceptNull(dialect, draft4 *value.Dict) {
	def, hasDefault := dialect.GetString("default")
	if flag(dialect, "required") && !(hasDefault && def == nil) {
		return
	}
	null := value.DictOf("type", "null")
	for _, key := range []string{"anyOf", "oneOf"} {
		if v, ok := draft4.GetString(key); ok {
			l := v.(*value.List)
			draft4.SetString(key, &value.List{Items: append(append([]any(nil), l.Items...), null)})
			return
		}
	}
	if kind, ok := draft4.GetString("type"); ok && kind != "null" {
		draft4.SetString("type", value.NewList(kind, "null"))
	}
}

// check fills defaults into a copy of v and validates it; secret tells which
// top-level names must not be quoted in the error.
func (c validator) check(v *value.Dict, secret func(name string) bool) error {
	if c.dialect == nil {
		return nil
	}
	filled := value.DeepCopy(v)
	fillDefaults(filled, c.dialect, 0)
	err := c.schema.Validate(value.ToGo(filled))
	if err == nil {
		return nil
	}
	path, what := explain(err)
	name := ""
	if len(path) > 0 {
		name = path[0]
	}
	if name != "" && secret(name) {
		what = "the value does not fit its schema"
	}
	if name != "" {
		what = fmt.Sprintf("parameter %q: %s", strings.Join(path, "."), what)
	}
	return &Error{StageValidate, name, errors.New(what)}
}

// explain gives the place and the words of the first failure of a validation.
func explain(err error) (path []string, what string) {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return nil, err.Error()
	}
	leaf := firstLeaf(invalid)
	return leaf.InstanceLocation, leaf.ErrorKind.LocalizedString(message.NewPrinter(language.English))
}

// outputError words a failure of an output schema; secrets are not quoted.
func outputError(err error, dialect *value.Dict) error {
	path, what := explain(err)
	if hasSecret(dialect, 0) {
		what = "the value does not fit its schema"
	}
	if len(path) > 0 {
		what = strings.Join(path, ".") + ": " + what
	}
	return errors.New(what)
}

// firstLeaf finds the innermost cause; of alternatives it keeps the keyword that holds them.
func firstLeaf(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(e.Causes) == 1 {
		e = e.Causes[0]
	}
	if len(e.Causes) > 0 && len(e.InstanceLocation) == 0 {
		return firstLeaf(e.Causes[0])
	}
	return e
}

// fillDefaults puts defaults where a property is absent or null, in objects and in objects of lists.
func fillDefaults(v any, dialect *value.Dict, depth int) {
	if depth > maxSchemaDepth {
		return
	}
	if l, ok := v.(*value.List); ok {
		for _, e := range l.Items {
			fillDefaults(e, dialect, depth+1)
		}
		return
	}
	d, ok := v.(*value.Dict)
	properties, _ := dialect.GetString("properties")
	p, hasProperties := properties.(*value.Dict)
	if !ok || !hasProperties {
		return
	}
	for k, e := range p.All() {
		s, ok := e.(*value.Dict)
		if !ok {
			continue
		}
		current, _ := d.Get(k)
		if def, ok := s.GetString("default"); ok && current == nil {
			current = value.DeepCopy(def)
			_ = d.Set(k, current)
		}
		switch kind, _ := s.GetString("type"); kind {
		case "object":
			fillDefaults(current, s, depth+1)
		case "array":
			if items, ok := s.GetString("items"); ok {
				if one, ok := items.(*value.Dict); ok {
					fillDefaults(current, one, depth+1)
				}
			}
		}
	}
}

// validate checks live parameters against the merged schema.
func (s *Set) validate(live *value.Dict) error {
	return s.check.check(live, func(name string) bool { return s.secrets[name] != nil })
}
