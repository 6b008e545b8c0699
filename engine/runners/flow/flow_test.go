package flow

import (
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/params"
	"petrel/engine/runners"
)

func TestKinds(t *testing.T) {
	registry, err := runners.NewRegistry(Runners()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range registry.Specs() {
		if _, err := params.Compile(r.Parameters, nil); err != nil || !r.Enabled {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
	job := runners.Job{Action: &engine.Action{Ref: "old.deploy"}}
	for name, conducted := range map[string]bool{"orquesta": true, "orchestra": true, "action-chain": true, "mistral-v2": false} {
		r, ok := registry.Get(name)
		if !ok || engine.Conducted(r.Spec().Name) != conducted {
			t.Errorf("%s: %v", name, ok)
			continue
		}
		o, err := r.Run(t.Context(), job)
		if conducted && err == nil {
			t.Errorf("%s: a workflow was run by a runner", name)
		}
		if !conducted && (err != nil || o.Status != engine.Failed || !strings.Contains(string(o.Result), "petrel workflow convert")) {
			t.Errorf("%s: %v %s", name, err, o.Result)
		}
	}
}
