package params

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"petrel/engine/expression"
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

func (d items) Decrypt(context.Context, string) (string, error) {
	return "", errors.New("nothing is secret here")
}

func load(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func show(t testing.TB, raw json.RawMessage) string {
	t.Helper()
	v, err := value.FromGo(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return value.Repr(sorted(v))
}

// sorted sorts the keys of maps: the rows do not tell their order.
func sorted(v any) any {
	s, err := value.DumpJSON(v, value.JSONOptions{SortKeys: true})
	if err != nil {
		return v
	}
	out, err := value.ParseJSON([]byte(s))
	if err != nil {
		return v
	}
	return out
}

// chosen are the rows that Petrel answers differently on purpose, by the JSON of
// the action's schema.
var chosen = map[string]string{
	`{"a": {"type": "null"}}`: "upstream can never take a parameter of type null, because it makes the type [null, null]; null is what such a parameter takes",
	`{"a": {"items": [{"type": "string"}, {"type": "integer"}], "type": "array"}}`: "positional items crash upstream's filling of defaults; they are checked here, and the row's value [x, 1, true] fits",
}

// earlier are the rows whose schema is refused when it is compiled, before the stage at which upstream fails.
var earlier = map[string]string{
	`{"a": {"type": ["string", "integer"]}}`:          "lists of types are refused at registration",
	`{"timeout": {"default": "9", "type": "string"}}`: "changing the type of a runner's parameter is refused at registration",
}

type row struct {
	Kind          string
	Runner        json.RawMessage `json:"runner_parameters_schema"`
	Action        json.RawMessage `json:"action_parameters_schema"`
	Given         json.RawMessage
	Live          json.RawMessage
	Context       map[string]any
	Config        json.RawMessage
	System        map[string]string                   `json:"datastore_system"`
	DatastoreUser []struct{ Key, User, Value string } `json:"datastore_user"`
	Expect        json.RawMessage
	Stage         string
	Type          string
	Value         json.RawMessage
	Metadata      json.RawMessage
	ActionParams  json.RawMessage `json:"action_parameters"`
	KwargOp       string          `json:"kwarg_op"`
	Positional    []string
	Named         json.RawMessage
}

func (r row) fails() bool { return string(r.Expect) == `"error"` }

func TestParamsConformance(t *testing.T) {
	var rows []row
	load(t, "params.json", &rows)
	passed := 0
	for i, r := range rows {
		if t.Run(fmt.Sprintf("%s/%d", r.Kind, i), func(t *testing.T) { runRow(t, i, r) }) {
			passed++
		}
	}
	t.Logf("%d of %d rows pass, %d of them answered better than upstream on purpose", passed, len(rows), len(chosen))
}

func runRow(t *testing.T, i int, r row) {
	switch r.Kind {
	case "execute":
		execute(t, i, r)
	case "cast":
		v, err := value.FromGo(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Cast(v, r.Type)
		if r.fails() != (err != nil) || err == nil && value.Repr(got) != show(t, r.Expect) {
			t.Errorf("row %d: Cast(%s, %s) = %s (%v), want %s", i, r.Value, r.Type, value.Repr(got), err, r.Expect)
		}
	case "shell_args":
		shellArgs(t, i, r)
	case "register":
		if err := CheckAction(r.Metadata, r.Runner); r.fails() != (err != nil) {
			t.Errorf("row %d: %s: %v, want %s", i, r.Metadata, err, r.Expect)
		}
	default:
		t.Fatalf("row %d: unknown kind %q", i, r.Kind)
	}
}

func execute(t *testing.T, i int, r row) {
	store := items{}
	for k, v := range r.System {
		store["system:"+k] = v
	}
	for _, u := range r.DatastoreUser {
		store[u.User+":"+u.Key] = u.Value
	}
	user, _ := r.Context["user"].(string)
	renderer := expression.New(expression.Options{Datastore: store, User: user})
	scope := Scope{ActionContext: r.Context, Config: r.Config}
	stage := ""
	var live json.RawMessage
	var got string
	set, err := Compile(r.Runner, r.Action)
	if err != nil {
		stage = "compile"
	} else if live, err = set.Live(context.Background(), renderer, r.Given, scope); err == nil {
		var runner, action *value.Dict
		if runner, action, err = set.Final(context.Background(), renderer, live, scope); err == nil {
			got = value.Repr(sorted(value.DictOf("action", action, "runner", runner)))
		}
	}
	var refused *Error
	if errors.As(err, &refused) {
		stage = map[string]string{StageRender: "render_live", StageCast: "render_live"}[refused.Stage]
		if stage == "" {
			stage = refused.Stage
		}
	}
	switch _, deliberate := chosen[string(r.Action)]; {
	case deliberate:
		if err != nil {
			t.Errorf("row %d: %s: %v", i, r.Action, err)
		}
	case r.fails() && err == nil:
		t.Errorf("row %d: %s given %s: %s, want an error at %s", i, r.Action, r.Given, got, r.Stage)
	case r.fails():
		if _, soon := earlier[string(r.Action)]; stage != r.Stage && !soon {
			t.Errorf("row %d: %s given %s fails at %s (%v), want %s", i, r.Action, r.Given, stage, err, r.Stage)
		}
	case err != nil || got != show(t, r.Expect) || show(t, live) != show(t, r.Live):
		t.Errorf("row %d: %s given %s: live %s, final %s (%v), want %s and %s", i, r.Action, r.Given, live, got, err, r.Live, r.Expect)
	}
}

func shellArgs(t *testing.T, i int, r row) {
	set, err := Compile(nil, r.Action)
	if err != nil {
		t.Fatal(err)
	}
	v, err := value.ParseJSON(r.ActionParams)
	if err != nil {
		t.Fatal(err)
	}
	var want string
	if err := json.Unmarshal(r.Expect, &want); err != nil {
		t.Fatal(err)
	}
	positional, named := set.Split(v.(*value.Dict))
	if got := set.ShellArgs(v.(*value.Dict), r.KwargOp); got != want || value.Repr(named) != show(t, r.Named) || strings.Join(positional, "\n") != strings.Join(r.Positional, "\n") {
		t.Errorf("row %d: %s %s: %s, %q, %s, want %s, %q, %s", i, r.Action, r.ActionParams, got, positional, value.Repr(named), want, r.Positional, r.Named)
	}
}

func TestJinjaParamsConformance(t *testing.T) {
	var rows []struct {
		Mode     string
		Template json.RawMessage
		Action   json.RawMessage `json:"action_parameters"`
		Runner   json.RawMessage `json:"runner_parameters"`
		Context  struct {
			Type       string
			Action     json.RawMessage `json:"action_context"`
			Additional map[string]any
			Config     json.RawMessage
			Datastore  map[string]map[string]string
		}
		Expect json.RawMessage
		Error  bool
	}
	load(t, "jinja-params.json", &rows)
	passed := 0
	for i, r := range rows {
		store := items{}
		for k, v := range r.Context.Datastore["st2kv.system"] {
			store["system:"+k] = v
		}
		for k, v := range r.Context.Datastore["st2kv.user"] {
			store[k] = v
		}
		renderer := expression.New(expression.Options{Datastore: store, User: "bob"})
		scope := Scope{ActionContext: r.Context.Action, Config: r.Context.Config, Extra: r.Context.Additional}
		got, err := "", error(nil)
		if r.Mode == "cast" {
			var v any
			if v, err = value.FromGo(r.Template); err == nil {
				v, err = Cast(v, r.Context.Type)
			}
			got = value.Repr(v)
		} else {
			var set *Set
			if set, err = Compile(r.Runner, r.Action); err != nil {
				t.Fatalf("row %d: %v", i, err)
			}
			switch r.Mode {
			case "params":
				var live json.RawMessage
				if live, err = set.Live(context.Background(), renderer, r.Template, scope); err == nil {
					got = show(t, live)
				}
				var refused *Error
				if errors.As(err, &refused) && refused.Stage == StageValidate && !r.Error {
					got, err = liveOnly(t, set, renderer, r.Template, scope), nil
				}
			case "final_params":
				var runner, action *value.Dict
				if runner, action, err = set.Final(context.Background(), renderer, r.Template, scope); err == nil {
					got = value.Repr(sorted(value.DictOf("action", action, "runner", runner)))
				}
			default:
				t.Fatalf("row %d: unknown mode %q", i, r.Mode)
			}
		}
		if r.Error != (err != nil) || err == nil && got != show(t, r.Expect) {
			t.Errorf("row %d (%s): %s given %s: %s (%v), want %s", i, r.Mode, r.Action, r.Template, got, err, r.Expect)
			continue
		}
		passed++
	}
	t.Logf("%d of %d rows pass", passed, len(rows))
}

// liveOnly renders and casts without validating: these rows stop there.
func liveOnly(t *testing.T, set *Set, r *expression.Renderer, given json.RawMessage, sc Scope) string {
	t.Helper()
	unchecked := *set
	unchecked.check = validator{}
	live, err := unchecked.Live(context.Background(), r, given, sc)
	if err != nil {
		t.Fatal(err)
	}
	return show(t, live)
}
