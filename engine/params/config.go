package params

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"petrel/engine/expression"
	"petrel/engine/expression/pyregex"
	"petrel/engine/expression/value"
)

// Config is the configuration of a pack: the values that somebody wrote, and the
// schema of the pack. It is immutable and safe for concurrent use.
type Config struct {
	pack   string
	schema *value.Dict // as {type: object, properties: ...}; nil: anything goes
	values *value.Dict
	check  validator
}

// ItemError is something wrong with one item of a schema or a configuration.
type ItemError struct {
	Item string // dotted; "" when the whole is meant
	Err  error
}

func (e *ItemError) Error() string {
	if e.Item == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Item, e.Err)
}

// Unwrap gives the cause.
func (e *ItemError) Unwrap() error { return e.Err }

// CompileConfig puts a schema (a map of item and parameter schema; empty or null:
// none) and values together. It checks the schema, not the values: see Validate.
// Keywords that the dialect does not know are ignored; {$ref: "#/properties/x"}
// stands for what is there. The error is an *ItemError.
func CompileConfig(pack string, schema, values json.RawMessage) (*Config, error) {
	c := &Config{pack: pack}
	var err error
	if c.values, err = parse(values); err != nil {
		return nil, &ItemError{Err: err}
	}
	v, err := value.FromGo(schema)
	if err != nil {
		return nil, &ItemError{Err: err}
	}
	if v == nil {
		return c, nil
	}
	items, ok := v.(*value.Dict)
	if !ok {
		return nil, &ItemError{Err: fmt.Errorf("the schema must be a map of item and schema, not %s", value.TypeName(v))}
	}
	root := value.DictOf("type", "object", "properties", items)
	properties := value.NewDict(items.Len())
	for k, item := range items.All() {
		name := value.Str(k)
		if !wordName.MatchString(name) {
			return nil, &ItemError{name, errors.New("a name may hold letters, digits and underscores only")}
		}
		d, ok := item.(*value.Dict)
		if !ok {
			return nil, &ItemError{name, fmt.Errorf("the schema must be a map, not %s", value.Repr(item))}
		}
		tidy, err := (&references{root: root}).tidy(d, 0)
		if err == nil {
			err = checkSchema(tidy, "", 0)
		}
		if err != nil {
			return nil, &ItemError{name, err}
		}
		properties.SetString(name, tidy)
	}
	c.schema = value.DictOf("type", "object", "properties", properties)
	if c.check, err = newValidator(c.schema); err != nil {
		return nil, &ItemError{Err: err}
	}
	return c, nil
}

// Validate checks the values as they are written, templates unrendered: items
// that the schema does not know are allowed, optional ones may be null.
func (c *Config) Validate() error {
	if c.schema == nil {
		return nil
	}
	if err := c.refuseDecryption(c.values, c.schema, ""); err != nil {
		return err
	}
	filled := value.DeepCopy(c.values)
	fillDefaults(filled, c.schema, 0)
	err := c.check.schema.Validate(value.ToGo(filled))
	if err == nil {
		return nil
	}
	path, what := explain(err)
	if len(path) > 0 {
		properties, _ := c.schema.GetString("properties")
		item, _ := properties.(*value.Dict).GetString(path[0])
		if d, ok := item.(*value.Dict); ok && hasSecret(d, 0) {
			what = "the value does not fit its schema"
		}
	}
	return &ItemError{strings.Join(path, "."), errors.New(what)}
}

// refuseDecryption holds the rule that a secret item is decrypted without being
// asked to.
func (c *Config) refuseDecryption(v any, schema *value.Dict, path string) error {
	switch v := v.(type) {
	case *value.Dict:
		for k, e := range v.All() {
			name := value.Str(k)
			if err := c.refuseDecryption(e, configProperty(schema, name), join(path, name)); err != nil {
				return err
			}
		}
	case *value.List:
		for i, e := range v.Items {
			if err := c.refuseDecryption(e, configItem(schema, i), join(path, fmt.Sprint(i))); err != nil {
				return err
			}
		}
	case string:
		if flag(schema, "secret") && expression.IsTemplate(v) && strings.Contains(v, "decrypt_kv") {
			return &ItemError{path, errors.New("the item is secret, so it is decrypted anyway: remove decrypt_kv")}
		}
	}
	return nil
}

// Resolve gives the configuration that code sees: templates rendered (with
// st2kv.system and st2kv.user only), secret ones among them decrypted, defaults
// filled in. The caller may change what it gets. r is for the user who asks.
func (c *Config) Resolve(ctx context.Context, r *expression.Renderer) (*value.Dict, error) {
	resolved, err := c.render(ctx, r, c.values, c.schema, "")
	if err != nil {
		return nil, err
	}
	out := resolved.(*value.Dict)
	if c.schema != nil {
		configDefaults(out, c.schema, 0)
	}
	return out, nil
}

// render copies v with its templates rendered.
func (c *Config) render(ctx context.Context, r *expression.Renderer, v any, schema *value.Dict, path string) (any, error) {
	switch v := v.(type) {
	case *value.Dict:
		out := value.NewDict(v.Len())
		for k, e := range v.All() {
			name := value.Str(k)
			rendered, err := c.render(ctx, r, e, configProperty(schema, name), join(path, name))
			if err != nil {
				return nil, err
			}
			if err := out.Set(k, rendered); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *value.List:
		out := &value.List{Items: make([]any, len(v.Items))}
		for i, e := range v.Items {
			rendered, err := c.render(ctx, r, e, configItem(schema, i), join(path, fmt.Sprint(i)))
			if err != nil {
				return nil, err
			}
			out.Items[i] = rendered
		}
		return out, nil
	case string:
		if expression.IsTemplate(v) {
			return c.renderText(ctx, r, v, flag(schema, "secret"), path)
		}
	}
	return v, nil
}

func (c *Config) renderText(ctx context.Context, r *expression.Renderer, template string, secret bool, path string) (any, error) {
	text, err := r.String(ctx, template, nil)
	if err != nil {
		return nil, fmt.Errorf("config of pack %s: %s: cannot render %q: %w", c.pack, path, template, err)
	}
	if text == "" {
		return nil, nil
	}
	if secret {
		if text, err = r.Decrypt(ctx, text); err != nil {
			return nil, fmt.Errorf("config of pack %s: %s: cannot decrypt %q (is that item of the datastore encrypted?): %w", c.pack, path, template, err)
		}
	}
	return text, nil
}

// configDefaults fills in what is absent, and makes objects and lists that have
// a schema so that nested defaults appear. A null that is there stays.
func configDefaults(d *value.Dict, schema *value.Dict, depth int) {
	if depth > maxSchemaDepth {
		return
	}
	names := value.NewDict(d.Len())
	if properties, ok := dictOf(schema, "properties"); ok {
		for k := range properties.All() {
			_ = names.Set(k, nil)
		}
	}
	for k := range d.All() {
		_ = names.Set(k, nil)
	}
	for k := range names.All() {
		item := configProperty(schema, value.Str(k))
		current, there := d.Get(k)
		if def, ok := item.GetString("default"); ok && !there {
			current, there = value.DeepCopy(def), true
		}
		current, made := nestedDefaults(current, item, depth)
		if there || made {
			_ = d.Set(k, current)
		}
	}
}

// nestedDefaults does the same within an object or a list; made tells that there
// was none before.
func nestedDefaults(v any, schema *value.Dict, depth int) (_ any, made bool) {
	has := func(keys ...string) bool {
		for _, key := range keys {
			if s, _ := schema.GetString(key); value.Truth(s) {
				return true
			}
		}
		return false
	}
	switch kind, _ := schema.GetString("type"); {
	case kind == "object" && has("properties", "patternProperties", "additionalProperties"):
		if !value.Truth(v) {
			v, made = value.NewDict(0), true
		}
		if d, ok := v.(*value.Dict); ok {
			configDefaults(d, schema, depth+1)
		}
	case kind == "array" && has("items", "additionalItems"):
		if !value.Truth(v) {
			v, made = value.NewList(), true
		}
		if l, ok := v.(*value.List); ok {
			listDefaults(l, schema, depth+1)
		}
	}
	return v, made
}

func listDefaults(l *value.List, schema *value.Dict, depth int) {
	if depth > maxSchemaDepth {
		return
	}
	if positional, _ := schema.GetString("items"); positional != nil {
		if p, ok := positional.(*value.List); ok {
			for _, s := range p.Items[min(len(l.Items), len(p.Items)):] {
				item, _ := s.(*value.Dict)
				def, ok := item.GetString("default")
				if !ok {
					break // what is behind it cannot have its place
				}
				l.Items = append(l.Items, value.DeepCopy(def))
			}
		}
	}
	for i, v := range l.Items {
		l.Items[i], _ = nestedDefaults(v, configItem(schema, i), depth)
	}
}

// configProperty is the schema of one key of an object: that of the property,
// else those of the patterns that fit it together, else that of all others. It
// is nil when there is none.
func configProperty(schema *value.Dict, name string) *value.Dict {
	if properties, ok := dictOf(schema, "properties"); ok {
		if s, ok := dictOf(properties, name); ok {
			return s
		}
	}
	if patterns, ok := dictOf(schema, "patternProperties"); ok {
		merged := value.NewDict(0)
		for k, s := range patterns.All() {
			re, err := pyregex.Compile(value.Str(k), 0)
			if err != nil {
				continue
			}
			if m, err := re.Search(name); err == nil && m != nil {
				if d, ok := s.(*value.Dict); ok {
					merged.Update(d)
				}
			}
		}
		if merged.Len() > 0 {
			return merged
		}
	}
	s, _ := dictOf(schema, "additionalProperties")
	return s
}

// configItem is the schema of one item of a list, nil when there is none.
func configItem(schema *value.Dict, i int) *value.Dict {
	items, _ := schema.GetString("items")
	switch items := items.(type) {
	case *value.Dict:
		return items
	case *value.List:
		if i < len(items.Items) {
			d, _ := items.Items[i].(*value.Dict)
			return d
		}
	}
	s, _ := dictOf(schema, "additionalItems")
	return s
}

func dictOf(d *value.Dict, key string) (*value.Dict, bool) {
	v, _ := d.GetString(key)
	found, ok := v.(*value.Dict)
	return found, ok
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
