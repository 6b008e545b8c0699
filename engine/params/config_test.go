package params

import (
	"context"
	"errors"
	"strings"
	"testing"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

type storedItems map[string]string

func (i storedItems) Lookup(_ context.Context, scope, user, key string) (string, bool, error) {
	if key == "broken" {
		return "", false, errors.New("the store is away")
	}
	if scope == "user" {
		key = user + ":" + key
	}
	text, ok := i[key]
	return text, ok, nil
}

func (i storedItems) Decrypt(_ context.Context, text string) (string, error) {
	plain, ok := strings.CutPrefix(text, "enc:")
	if !ok {
		return "", errors.New("not a ciphertext")
	}
	return plain, nil
}

func TestConfigResolve(t *testing.T) {
	r := expression.New(expression.Options{Datastore: storedItems{"k": "v", "n": "5", "secret": "enc:plain", "ann:me": "Ann"}})
	for _, c := range []struct{ name, schema, values, want string }{
		{"no schema", ``, `{"a": 1, "b": "{{st2kv.system.k}}"}`, `{"a": 1, "b": "v"}`},
		{"nothing at all", ``, ``, `{}`},
		{"default", `{"a": {"default": "d"}}`, ``, `{"a": "d"}`},
		{"absent in the datastore", `{"a": {"default": "d"}}`, `{"a": "{{st2kv.system.nope}}"}`, `{"a": null}`},
		{"nested default", `{"o": {"type": "object", "properties": {"p": {"default": 5}}}}`, ``, `{"o": {"p": 5}}`},
		{"null and a nested default", `{"o": {"type": "object", "properties": {"p": {"default": 5}}}}`, `{"o": null}`, `{"o": {"p": 5}}`},
		{"text around", `{}`, `{"a": "x{{st2kv.system.k}}y"}`, `{"a": "xvy"}`},
		{"no cast", `{"n": {"type": "integer"}}`, `{"n": "{{st2kv.system.n}}"}`, `{"n": "5"}`},
		{"user", ``, `{"a": "{{st2kv.user.me}}"}`, `{"a": "Ann"}`},
		{"secret", `{"s": {"secret": true}, "t": {"secret": true}}`, `{"s": "{{st2kv.system.secret}}", "t": "static"}`, `{"s": "plain", "t": "static"}`},
		{"patterns", `{"x": {"type": "object", "patternProperties": {"^a": {"type": "object", "properties": {"p": {"default": 1}}}}, "additionalProperties": {"type": "object", "properties": {"q": {"default": 2}}}}}`,
			`{"x": {"ab": {}, "c": {}}}`, `{"x": {"ab": {"p": 1}, "c": {"q": 2}}}`},
		{"references", `{"one": {"type": "object", "properties": {"p": {"default": 1}, "s": {"secret": true}}}, "all": {"type": "object", "patternProperties": {"\\w+": {"$ref": "#/properties/one"}}}}`,
			`{"all": {"x": {"s": "{{st2kv.system.secret}}"}}}`, `{"all": {"x": {"s": "plain", "p": 1}}, "one": {"p": 1}}`},
		{"a reference to itself", `{"n": {"type": "object", "properties": {"n": {"$ref": "#/properties/n"}}}}`, `{"n": {"n": {"n": {"n": 1}}}}`, `{"n": {"n": {"n": {"n": 1}}}}`},
		{"lists", `{"l": {"type": "array", "items": {"type": "object", "properties": {"p": {"default": 1}}}}, "e": {"type": "array", "items": {"type": "string"}}}`,
			`{"l": [{}, {"p": 2}]}`, `{"l": [{"p": 1}, {"p": 2}], "e": []}`},
		{"unknown keywords", `{"a": {"type": "string", "roles": [], "properties": {"x": {"filter": 1}}}}`, `{"a": "x"}`, `{"a": "x"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := CompileConfig("p", []byte(c.schema), []byte(c.values))
			if err != nil {
				t.Fatal(err)
			}
			got, err := config.Resolve(t.Context(), r.WithUser("ann"))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := value.DumpJSON(got, value.JSONOptions{}); err != nil || text != c.want {
				t.Errorf("got %s %v, want %s", text, err, c.want)
			}
		})
	}
}

func TestConfigResolveErrors(t *testing.T) {
	r := expression.New(expression.Options{Datastore: storedItems{"plain": "text"}})
	for _, c := range []struct{ schema, values, want string }{
		{``, `{"a": {"b": ["{{st2kv.system.broken}}"]}}`, "config of pack p: a.b.0: cannot render"},
		{``, `{"a": "{{nope}}"}`, "cannot render"},
		{`{"s": {"secret": true}}`, `{"s": "{{st2kv.system.plain}}"}`, "cannot decrypt"},
	} {
		config, err := CompileConfig("p", []byte(c.schema), []byte(c.values))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := config.Resolve(t.Context(), r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.values, err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	for _, c := range []struct{ schema, values, want string }{
		{`{"a": {"type": "integer", "required": true}}`, `{"a": 1, "other": 2}`, ""},
		{`{"a": {"type": "integer", "required": true}}`, `{}`, "a"},
		{`{"a": {"type": "integer", "required": true, "default": 3}}`, `{}`, ""},
		{`{"a": {"type": "integer"}}`, `{"a": null}`, ""},
		{`{"a": {"type": "integer"}}`, `{"a": "{{st2kv.system.n}}"}`, "a: "},
		{`{"a": {"type": "string"}}`, `{"a": "{{st2kv.system.n}}"}`, ""},
		{`{"a": {"type": "integer", "secret": true}}`, `{"a": "hush"}`, "a: the value does not fit its schema"},
		{`{"a": {"secret": true}}`, `{"a": "{{st2kv.system.n | decrypt_kv}}"}`, "remove decrypt_kv"},
		{`{"a": {"type": "nonsense"}}`, ``, "a: "},
		{`{"a-b": {}}`, ``, "a-b: a name"},
		{`{"a": 5}`, ``, "a: the schema must be a map"},
		{`[]`, ``, "must be a map"},
		{`{"a": {"$ref": "#/properties/nope"}}`, ``, "points to nothing"},
		{`{"a": {"$ref": "http://x"}}`, ``, "into the file itself"},
	} {
		config, err := CompileConfig("p", []byte(c.schema), []byte(c.values))
		if err == nil {
			err = config.Validate()
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s %s: %v", c.schema, c.values, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s %s: got %v, want %s", c.schema, c.values, err, c.want)
		case err != nil && strings.Contains(err.Error(), "hush"):
			t.Errorf("a secret is told: %v", err)
		}
	}
}
