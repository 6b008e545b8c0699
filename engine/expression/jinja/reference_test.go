package jinja

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// deliberate are the templates that are answered differently than by Jinja2, and why.
var deliberate = map[string]string{
	"{{ [1,2,3]|batch(0)|list }}": "batches of no items are a mistake, not one batch more",
	`{{ '\N{BULLET}' }}`:          "character names in escapes are not known",
	"{{ range(3)|tojson }}":       "ranges are written as lists",
}

// TestReference runs templates whose outcome Jinja 3.1.6 gave in a sandbox with
// strict undefined, trim_blocks and lstrip_blocks. Of errors only that there is one counts.
func TestReference(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Context json.RawMessage
		Cases   []struct {
			Template string
			Value    *string
			Error    string
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	env, passed := newEnv(), 0
	for _, c := range file.Cases {
		if why, ok := deliberate[c.Template]; ok {
			t.Logf("%s differs: %s", c.Template, why)
			continue
		}
		got, err := "", error(nil)
		tmpl, err := env.Compile(c.Template)
		if err == nil {
			got, err = tmpl.Render(context.Background(), names(t, file.Context), false)
		}
		switch {
		case c.Value == nil && err == nil:
			t.Errorf("%q gave %q, want an error (%s)", c.Template, got, c.Error)
		case c.Value != nil && (err != nil || got != *c.Value):
			t.Errorf("%q gave %q (%v), want %q", c.Template, got, err, *c.Value)
		default:
			passed++
		}
	}
	t.Logf("%d of %d templates as in Jinja2, %d differ on purpose", passed, len(file.Cases), len(deliberate))
}
