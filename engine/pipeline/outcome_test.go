package pipeline

import (
	"encoding/json"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/params"
	"petrel/engine/runners"
)

func TestCheckOutcome(t *testing.T) {
	runner := &engine.Runner{Name: "python-script", OutputKey: "result"}
	of := func(output string) *schema {
		o, problems := params.CompileOutput(runner.OutputKey, runnerOutput(runner), json.RawMessage(output))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return &schema{output: o}
	}
	const object = `{"type":"object","properties":{"n":{"type":"integer","required":true}}}`
	good := runners.Outcome{Status: engine.Succeeded, Result: json.RawMessage(`{"result":{"n":1}}`)}
	bad := runners.Outcome{Status: engine.Succeeded, Result: json.RawMessage(`{"result":{"n":"x"}}`)}
	for _, c := range []struct {
		name     string
		set      *schema
		validate bool
		limit    int
		in       runners.Outcome
		status   engine.Status
		words    string
	}{
		{"fits", of(object), true, 0, good, engine.Succeeded, `"n":1`},
		{"does not fit", of(object), true, 0, bad, engine.Failed, "Error validating output"},
		{"not asked to", of(object), false, 0, bad, engine.Succeeded, `"x"`},
		{"no schema", of(""), true, 0, bad, engine.Succeeded, `"x"`},
		{"failed anyway", of(object), true, 0, runners.Outcome{Status: engine.Failed, Result: bad.Result}, engine.Failed, `"x"`},
		{"no output key", of(object), true, 0, runners.Outcome{Status: engine.Succeeded, Result: json.RawMessage(`{"a":1}`)}, engine.Failed, "output key"},
		{"too large", of(""), false, 10, good, engine.Failed, "at most 10 are kept"},
		{"just fits", of(""), false, len(good.Result), good, engine.Succeeded, `"n":1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &Workers{validateOutput: c.validate, maxResult: c.limit}
			out := w.checkOutcome(c.set, c.in)
			if out.Status != c.status || !strings.Contains(string(out.Result), c.words) {
				t.Errorf("%s: %s", out.Status, out.Result)
			}
		})
	}
}
