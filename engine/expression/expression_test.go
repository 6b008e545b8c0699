package expression

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// items is a datastore for tests: "system" or the user's name, a colon, the key.
type items map[string]string

func (d items) Lookup(_ context.Context, scope, user, key string) (string, bool, error) {
	if scope == "system" {
		user = "system"
	}
	v, ok := d[user+":"+key]
	return v, ok, nil
}

func (d items) Decrypt(_ context.Context, text string) (string, error) {
	plain, ok := strings.CutPrefix(text, "enc:")
	if !ok {
		return "", errors.New("not encrypted")
	}
	return plain, nil
}

func parse(t testing.TB, b []byte) any {
	t.Helper()
	v, err := value.ParseJSON(b)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

func namesOf(v any) Names {
	n := Names{}
	for k, e := range v.(*value.Dict).All() {
		n[k.(string)] = e
	}
	return n
}

// TestJinjaConformance runs the rows of jinja.json in the modes string, mapping and
// orquesta; those of action parameters are run by package params.
func TestJinjaConformance(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "jinja.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Contexts []json.RawMessage
		Cases    []struct {
			Context        int
			Mode           string
			Template       json.RawMessage
			Expect         json.RawMessage
			Error          bool
			AllowUndefined bool   `json:"allow_undefined"`
			ErrorMessage   string `json:"error_message"`
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	r, ctx, failed := New(Options{}), context.Background(), 0
	for i, c := range file.Cases {
		template, names := parse(t, c.Template), parse(t, file.Contexts[c.Context])
		var got any
		var err error
		switch c.Mode {
		case "string":
			if c.AllowUndefined {
				got, err = r.Lenient(ctx, template.(string), namesOf(names))
			} else {
				got, err = r.String(ctx, template.(string), namesOf(names))
			}
		case "mapping":
			got, err = r.Mapping(ctx, template, namesOf(names))
		case "orquesta":
			got, err = r.Orquesta(ctx, template, OrquestaScope{functions.Variables{Context: names.(*value.Dict)}})
		default:
			t.Fatalf("row %d: unknown mode %q", i, c.Mode)
		}
		want := any(nil)
		if !c.Error {
			want = parse(t, c.Expect)
		}
		if c.Error != (err != nil) || err == nil && value.Repr(got) != value.Repr(want) {
			failed++
			t.Errorf("row %d (%s): %s gave %s (%v), want %s%s", i, c.Mode, c.Template, value.Repr(got), err, value.Repr(want), c.ErrorMessage)
		}
	}
	t.Logf("%d of %d rows pass", len(file.Cases)-failed, len(file.Cases))
}
