package jinja

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"petrel/engine/expression/value"
)

func newEnv() *Env { return New(Options{}) }

// names turns a JSON object into the names of a template.
func names(t testing.TB, src []byte) Map {
	t.Helper()
	v, err := value.ParseJSON(src)
	if err != nil {
		t.Fatal(err)
	}
	m := Map{}
	for k, e := range v.(*value.Dict).All() {
		m[k.(string)] = e
	}
	return m
}

// The rows are those of the conformance collection. The keys of "servers" stand in
// the order that the expected texts of rows 83 and 103 show; the collection itself
// has them sorted.
func TestLanguageConformance(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "jinja-language.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Context json.RawMessage
		Cases   []struct {
			ID        int
			Category  string
			Template  string
			Undefined string
			Expected  *string
			Error     *string
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	env := newEnv()
	failed := 0
	for _, c := range file.Cases {
		got, err := "", error(nil)
		tmpl, err := env.Compile(c.Template)
		if err == nil {
			got, err = tmpl.Render(context.Background(), names(t, file.Context), c.Undefined == "lenient")
		}
		switch {
		case c.Expected == nil && err == nil:
			t.Errorf("%d %s: %s gave %q, want the error %s", c.ID, c.Category, c.Template, got, *c.Error)
			failed++
		case c.Expected != nil && (err != nil || got != *c.Expected):
			t.Errorf("%d %s: %s gave %q (%v), want %q", c.ID, c.Category, c.Template, got, err, *c.Expected)
			failed++
		}
	}
	t.Logf("%d of %d rows pass", len(file.Cases)-failed, len(file.Cases))
}
