package runners

import (
	"context"
	"strings"
	"testing"

	"petrel/engine"
)

type named struct {
	name    string
	aliases []string
}

func (n named) Spec() engine.Runner { return engine.Runner{Name: n.name, Aliases: n.aliases} }
func (named) Run(context.Context, Job) (Outcome, error) {
	return Outcome{Status: engine.Succeeded}, nil
}

func TestRegistry(t *testing.T) {
	r, err := NewRegistry(named{name: "local-shell-cmd"}, named{name: "a_b", aliases: []string{"orchestra"}})
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{
		"local-shell-cmd": "local-shell-cmd",
		"local_shell_cmd": "local-shell-cmd",
		"local-shell_cmd": "local-shell-cmd",
		"a_b":             "a_b",
		"orchestra":       "a_b",
		"a-b":             "",
		"other":           "",
		"":                "",
	} {
		got := ""
		if runner, ok := r.Get(asked); ok {
			got = runner.Spec().Name
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", asked, got, want)
		}
	}
	if specs := r.Specs(); len(specs) != 2 || specs[0].Name != "a_b" {
		t.Errorf("specs: %v", specs)
	}
}

func TestRegistryRefusesSharedNames(t *testing.T) {
	for _, list := range [][]Runner{
		{named{name: "a"}, named{name: "a"}},
		{named{name: "a"}, named{name: "b", aliases: []string{"a"}}},
		{named{name: "a", aliases: []string{"a"}}},
		{named{name: ""}},
	} {
		if _, err := NewRegistry(list...); err == nil || !strings.Contains(err.Error(), "register runner") {
			t.Errorf("%v: err %v", list, err)
		}
	}
}
