// Package expression renders everything in a pack that is computed: rule
// criteria and action parameters, alias replies, workflow values, pack configs.
// One [Renderer] stands in front of the languages (jinja/, yaql/, exprlang/): it
// compiles once, caches, evaluates many times and is safe for concurrent use.
//
// The package must not know what is rendered for: no rules, no executions, no
// chat. The datastore is behind [Datastore], a workflow behind functions.Workflow.
package expression

import (
	"context"
	"strings"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/jinja"
	"petrel/engine/expression/value"
)

// Names are the top-level names of a template: values of the Python value model,
// or Go values that value.FromGo accepts. A map is not changed.
type Names map[string]any

// Datastore is where st2kv.* looks things up.
type Datastore interface {
	// Lookup returns the text of an item; ok=false when absent. scope is "system" or
	// "user". Secret values come back as stored (ciphertext).
	Lookup(ctx context.Context, scope, user, key string) (text string, ok bool, err error)
	// Decrypt gives the plain text of a secret value.
	Decrypt(ctx context.Context, ciphertext string) (string, error)
}

// Options set a Renderer up; the zero value is usable.
type Options struct {
	Datastore Datastore // nil: every item is absent
	User      string    // whose items st2kv.user finds; "" means DefaultUser
	// Limits of one evaluation; zero fields take the defaults of package jinja.
	MaxSteps  int
	MaxOutput int // bytes
	MaxMemory int // bytes that an evaluation may make in total
	// CacheSize is the number of compiled templates that are kept; 0 means 4096.
	CacheSize int
}

// DefaultUser is the user of st2kv.user when nobody is named.
const DefaultUser = "stanley"

// Renderer renders templates and evaluates expressions, for one user.
type Renderer struct {
	*engine
	user string
}

// engine is what the renderers of all users share.
type engine struct {
	store     Datastore
	stackish  *jinja.Env // StackStorm's own Jinja: filters only
	workflows *jinja.Env // Orquesta's Jinja: filters and functions
	functions map[string]*functions.Func
	languages map[string]language
	cache     *cache
}

// New makes a Renderer.
func New(o Options) *Renderer {
	limits := jinja.Limits{Steps: o.MaxSteps, Output: o.MaxOutput, Memory: o.MaxMemory}
	patterns := &functions.Patterns{}
	stackish := jinja.Options{Limits: limits, Filters: filters(functions.StackStorm, patterns)}
	if o.Datastore != nil {
		stackish.Decrypt = o.Datastore.Decrypt
	} else {
		stackish.Decrypt = func(context.Context, string) (string, error) { return "", errNoDatastore }
	}
	e := &engine{
		store:     o.Datastore,
		stackish:  jinja.New(stackish),
		workflows: jinja.New(jinja.Options{Limits: limits, Filters: filters(functions.Orquesta, patterns)}),
		functions: functions.ByName(functions.Orquesta),
		languages: languages(o, patterns),
		cache:     newCache(o.CacheSize),
	}
	r := &Renderer{engine: e}
	return r.WithUser(o.User)
}

// WithUser gives a Renderer for another user that shares everything else.
func (r *Renderer) WithUser(user string) *Renderer {
	if user == "" {
		user = DefaultUser
	}
	return &Renderer{r.engine, user}
}

// String renders a template to text; using an undefined name is an error. One
// trailing line break of the template is dropped.
func (r *Renderer) String(ctx context.Context, template string, names Names) (string, error) {
	return r.render(ctx, template, names, false)
}

// Lenient renders a template to text; undefined names are empty.
func (r *Renderer) Lenient(ctx context.Context, template string, names Names) (string, error) {
	return r.render(ctx, template, names, true)
}

func (r *Renderer) render(ctx context.Context, template string, names Names, lenient bool) (string, error) {
	t, err := r.Template(template)
	if err != nil {
		return "", err
	}
	return t.Render(ctx, r.bind(names), lenient)
}

// Template compiles a template, or finds it in the cache.
func (r *Renderer) Template(template string) (*jinja.Template, error) {
	return cached(r.cache, kindTemplate, template, r.stackish.Compile)
}

// Undeclared lists the names that a template takes from its caller, sorted.
func (r *Renderer) Undeclared(template string) ([]string, error) {
	t, err := r.Template(template)
	if err != nil {
		return nil, err
	}
	return t.Undeclared(), nil
}

// Decrypt gives the plain text of a secret item of the datastore.
func (r *Renderer) Decrypt(ctx context.Context, ciphertext string) (string, error) {
	if r.store == nil {
		return "", errNoDatastore
	}
	return r.store.Decrypt(ctx, ciphertext)
}

// IsTemplate tells whether a text contains {{ or {%.
func IsTemplate(s string) bool {
	for {
		i := strings.IndexByte(s, '{')
		if i < 0 || i+1 >= len(s) {
			return false
		}
		if c := s[i+1]; c == '{' || c == '%' {
			return true
		}
		s = s[i+1:]
	}
}

// Stored is what st2kv.<scope> is in templates: every attribute extends the key,
// and the item is looked up when its text is needed. scope is "system" or "user".
func (r *Renderer) Stored(ctx context.Context, scope string) any {
	var s jinja.Store = emptyStore{}
	if r.store != nil {
		s = r.store
	}
	return jinja.NewStored(ctx, s, scope, r.user)
}

// SystemItem looks up the text of an item of the system; ok=false when absent.
func (r *Renderer) SystemItem(ctx context.Context, key string) (text string, ok bool, err error) {
	if r.store == nil {
		return "", false, nil
	}
	return r.store.Lookup(ctx, "system", "", key)
}

// boundNames are the names of one rendering: the caller's, and st2kv.
type boundNames struct {
	r     *Renderer
	names Names
	known map[string]any // Go values that are converted already
}

func (r *Renderer) bind(names Names) *boundNames { return &boundNames{r: r, names: names} }

// Lookup implements jinja.Names.
func (b *boundNames) Lookup(ctx context.Context, name string) (any, bool, error) {
	v, ok := b.names[name]
	if !ok {
		if name == "st2kv" {
			return value.DictOf("system", b.r.Stored(ctx, "system"), "user", b.r.Stored(ctx, "user")), true, nil
		}
		return nil, false, nil
	}
	switch v.(type) {
	case nil, bool, int64, float64, string, *value.Dict, *value.List:
		return v, true, nil
	}
	if c, ok := b.known[name]; ok {
		return c, true, nil
	}
	c, err := value.FromGo(v)
	if err != nil {
		return nil, false, err
	}
	if b.known == nil {
		b.known = map[string]any{}
	}
	b.known[name] = c
	return c, true, nil
}

// Known implements jinja.Names.
func (b *boundNames) Known() []string {
	out := make([]string, 0, len(b.names)+1)
	for k := range b.names {
		out = append(out, k)
	}
	return append(out, "st2kv")
}
