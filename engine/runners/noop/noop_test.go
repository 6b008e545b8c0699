package noop

import (
	"testing"

	"petrel/engine"
	"petrel/engine/runners"
)

func TestNoop(t *testing.T) {
	out, err := Runner{}.Run(t.Context(), runners.Job{})
	if err != nil || out.Status != engine.Succeeded || string(out.Result) != `{"succeeded":true,"failed":false,"return_code":0}` {
		t.Errorf("%v %s %s", err, out.Status, out.Result)
	}
	if s := (Runner{}).Spec(); s.Name != "noop" || !s.Enabled || string(s.Parameters) != "{}" {
		t.Errorf("spec %+v", s)
	}
}
