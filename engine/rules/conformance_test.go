package rules

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"petrel/engine/expression/value"
)

// row is one case made with StackStorm's own rules engine; the clock stands at 2024-01-01T12:00:00Z.
type row struct {
	Kind     string          `json:"kind"`
	Expect   json.RawMessage `json:"expect"` // true, false or "error"
	Defect   string          `json:"upstream_defect"`
	Failed   int             `json:"failed_enforcements"`
	Payload  json.RawMessage `json:"payload"`
	Criteria json.RawMessage `json:"criteria"`

	Operator     string          `json:"operator"`
	TriggerValue json.RawMessage `json:"trigger_value"`
	Pattern      json.RawMessage `json:"pattern"`

	DatastoreSystem json.RawMessage `json:"datastore_system"`

	Rules []struct {
		Name     string          `json:"name"`
		Type     string          `json:"type"`
		Enabled  bool            `json:"enabled"`
		Criteria json.RawMessage `json:"criteria"`
	} `json:"rules"`
	ExpectMatched []string `json:"expect_matched"`
}

// differs lists the rows answered otherwise than StackStorm does, by their criteria: its defects, answered sensibly.
var differs = map[string]struct {
	expect string
	reason string
}{
	`{"trigger.n":{"pattern":"{{ 2 + 3 }}","type":"equals"}}`:                {"true", "arithmetic in a pattern gives its result"},
	`{"trigger.n":{"pattern":"{{ trigger.n + 1 }}","type":"lt"}}`:            {"true", "arithmetic in a pattern gives its result"},
	`{"trigger.c":{"pattern":"{{ st2kv.system.num }}","type":"equals"}}`:     {"true", "a datastore item gives its text"},
	`{"trigger.c":{"pattern":"{{ st2kv.system.nope }}","type":"equals"}}`:    {"true", "a datastore item that is not there gives an empty text"},
	`{"trigger.c":{"pattern":"x{{ st2kv.system.color }}y","type":"equals"}}`: {"true", "a datastore item gives its text"},
	`{"trigger.n":{"pattern":"{{ 10 }}5","type":"equals"}}`:                  {"false", "a text around an expression stays text"},
}

func fixedNow() time.Time { return time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC) }

func TestConformance(t *testing.T) {
	file, err := os.Open("testdata/rules.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	counts := map[string]int{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		counts[r.Kind]++
		switch r.Kind {
		case "operator":
			checkOperator(t, r)
		case "criteria":
			checkCriteria(t, r)
		case "matcher":
			checkMatcher(t, r)
		default:
			t.Errorf("unknown kind %q", r.Kind)
		}
	}
	if counts["operator"] == 0 || counts["criteria"] == 0 || counts["matcher"] == 0 {
		t.Errorf("rows are missing: %v", counts)
	}
	t.Log(counts)
}

func checkOperator(t *testing.T, r row) {
	t.Helper()
	got := "error"
	if prepare := operators[lower(r.Operator)]; prepare != nil {
		holds, err := prepare(parse(t, r.Pattern))(environment{now: fixedNow}, parse(t, r.TriggerValue))
		got = outcome(holds, err)
	}
	if want := expected(r.Expect); got != want {
		t.Errorf("%s %s %s is %s, want %s", r.TriggerValue, r.Operator, r.Pattern, got, want)
	}
}

func checkCriteria(t *testing.T, r row) {
	t.Helper()
	rule, err := Compile(Definition{Ref: "p.r1", Enabled: true, Trigger: "p.t", Criteria: r.Criteria},
		Options{Now: fixedNow, Renderer: testRenderer(r.DatastoreSystem)})
	if err != nil {
		t.Errorf("%s: %v", r.Criteria, err)
		return
	}
	event := datastoreEvent(t, r.Payload, r.DatastoreSystem)
	result, err := rule.Evaluate(context.Background(), event)
	got, want, failed := outcome(result.Matched(), err), expected(r.Expect), r.Failed
	if d, ok := differs[string(r.Criteria)]; ok {
		want, failed = d.expect, 0
	} else if r.Defect != "" {
		t.Errorf("%s: a defect of StackStorm, decide how to answer it", r.Criteria)
	}
	if got != want || len(result.Problems) != failed {
		t.Errorf("%s on %s is %s with problems %v, want %s with %d (%v)", r.Criteria, r.Payload, got, result.Problems, want, failed, err)
	}
	explained, err := rule.Explain(context.Background(), event)
	if err != nil || (want != "error" && explained.Matched() != result.Matched()) {
		t.Errorf("%s: explained as %v, %v", r.Criteria, explained.Reason, err)
	}
}

func checkMatcher(t *testing.T, r row) {
	t.Helper()
	var list []*Rule
	for _, d := range r.Rules {
		list = append(list, mustCompile(t, Definition{Ref: d.Name, Enabled: d.Enabled, Type: d.Type, Trigger: "p.t", Criteria: d.Criteria}))
	}
	out, err := NewIndex(list).Match(context.Background(), "p.t", Event{Payload: parse(t, r.Payload)})
	if got := refs(out.Matched); err != nil || !slices.Equal(got, r.ExpectMatched) || len(out.Problems) != r.Failed {
		t.Errorf("matched %v with problems %v, want %v with %d (%v)", got, out.Problems, r.ExpectMatched, r.Failed, err)
	}
}

func refs(list []*Rule) []string {
	var names []string
	for _, r := range list {
		names = append(names, r.Ref)
	}
	return names
}

func mustCompile(t testing.TB, d Definition) *Rule {
	t.Helper()
	r, err := Compile(d, Options{Now: fixedNow, Renderer: testRenderer(nil)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t testing.TB, raw json.RawMessage) any {
	t.Helper()
	if len(raw) == 0 {
		return nil
	}
	v, err := value.ParseJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func outcome(holds bool, err error) string {
	var unknown *UnknownOperatorError
	switch {
	case err != nil && (errors.As(err, &unknown) || !holds):
		return "error"
	case holds:
		return "true"
	}
	return "false"
}

func expected(raw json.RawMessage) string {
	if string(raw) == `"error"` {
		return "error"
	}
	return string(raw)
}
