package policies

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"petrel/engine"
)

func policy(ref, kind, parameters string) *engine.Policy {
	return &engine.Policy{Ref: ref, PolicyType: kind, Parameters: json.RawMessage(parameters)}
}

func TestKeys(t *testing.T) {
	limits, err := Limits([]*engine.Policy{
		policy("p.retry", engine.PolicyRetry, `{"retry_on":"failure"}`),
		policy("p.all", engine.PolicyConcurrency, `{"threshold":5,"action":"delay"}`),
		policy("p.host", engine.PolicyConcurrencyAttr, `{"threshold":1,"action":"delay","attributes":["host","port"]}`),
		policy("p.none", engine.PolicyConcurrencyAttr, `{"threshold":1,"action":"delay"}`),
	})
	if err != nil || len(limits) != 3 {
		t.Fatal(limits, err)
	}
	key := func(limit int, parameters string) string {
		var given map[string]json.RawMessage
		if err := json.Unmarshal([]byte(parameters), &given); err != nil {
			t.Fatal(err)
		}
		return limits[limit].Key(func(name string) json.RawMessage { return given[name] })
	}
	if key(0, `{"host":"a"}`) != "p.all" || key(2, `{"host":"a"}`) != "p.none" {
		t.Error("without attributes everything counts together")
	}
	base := key(1, `{"host":{"a":1,"b":[2]},"port":22}`)
	if PolicyOf(base) != "p.host" {
		t.Errorf("the key %s is not of p.host", base)
	}
	for parameters, same := range map[string]bool{
		`{"port":22.0,"host":{"b":[2],"a":1.0}}`:          true,
		`{"host":{"a":1,"b":[2]},"port":22,"other":true}`: true,
		`{"host":{"a":1,"b":[2]},"port":"22"}`:            false,
		`{"host":{"a":1,"b":[2]}}`:                        false,
		`{"host":{"a":1,"b":[3]},"port":22}`:              false,
	} {
		if got := key(1, parameters) == base; got != same {
			t.Errorf("%s has the same key: %t", parameters, got)
		}
	}
	if key(1, `{"host":"a"}`) != key(1, `{"host":"a","port":null}`) {
		t.Error("null and missing differ")
	}
	if key(1, `{"host":9007199254740993}`) == key(1, `{"host":9007199254740992}`) {
		t.Error("large numbers that differ have the same key")
	}
}

func TestGate(t *testing.T) {
	limits := []Limit{
		{Policy: "p.all", ConcurrencyLimit: engine.ConcurrencyLimit{Threshold: 2}},
		{Policy: "p.host", ConcurrencyLimit: engine.ConcurrencyLimit{Threshold: 1}},
	}
	var g Gate
	g.Take("a", []string{"p.all", "p.host#1"})
	g.Take("a", []string{"p.all", "p.host#1"})
	for _, tc := range []struct{ keys, full []string }{
		{[]string{"p.all", "p.host#1"}, []string{"p.host#1"}},
		{[]string{"p.all", "p.host#2"}, nil},
		{[]string{"p.gone"}, nil},
	} {
		if got := g.Full(tc.keys, limits); !reflect.DeepEqual(got, tc.full) {
			t.Errorf("%v: full are %v, want %v", tc.keys, got, tc.full)
		}
	}
	g.Take("b", []string{"p.all", "p.host#2"})
	if got := g.Full([]string{"p.all", "p.host#3"}, limits); !reflect.DeepEqual(got, []string{"p.all"}) {
		t.Errorf("full are %v", got)
	}
	if got := g.Of("p.all"); !reflect.DeepEqual(got, []string{"a", "b"}) {
		t.Errorf("p.all is held by %v", got)
	}
	if keys, ok := g.Free("a"); !ok || len(keys) != 2 || g.Holds("a") || !g.Holds("b") {
		t.Errorf("freed %v; %+v", keys, g)
	}
	if _, ok := g.Free("a"); ok {
		t.Error("freed twice")
	}
}

func TestRetry(t *testing.T) {
	list := []*engine.Policy{
		policy("p.slow", engine.PolicyRetry, `{"retry_on":"timeout","max_retry_count":1,"delay":7}`),
		policy("p.limit", engine.PolicyConcurrency, `{"threshold":1}`),
		policy("p.fail", engine.PolicyRetry, `{"retry_on":"failure","max_retry_count":2}`),
	}
	ran := []engine.StatusChange{{Status: engine.Requested}, {Status: engine.Running}}
	tried := func(n int) engine.Context {
		return engine.Context{Policies: &engine.AppliedPolicies{Retry: &engine.Retried{Count: n}}}
	}
	for name, tc := range map[string]struct {
		e    engine.Execution
		want *Again
	}{
		"failed":          {engine.Execution{ID: "x", Status: engine.Failed, Log: ran}, &Again{Retried: engine.Retried{Policy: "p.fail", Count: 1, Execution: "x"}}},
		"failed again":    {engine.Execution{ID: "x", Status: engine.Failed, Log: ran, Context: tried(1)}, &Again{Retried: engine.Retried{Policy: "p.fail", Count: 2, Execution: "x"}}},
		"failed for good": {engine.Execution{ID: "x", Status: engine.Failed, Log: ran, Context: tried(2)}, nil},
		"timed out":       {engine.Execution{ID: "x", Status: engine.TimedOut, Log: ran}, &Again{Retried: engine.Retried{Policy: "p.slow", Count: 1, Execution: "x"}, Delay: 7 * time.Second}},
		"timed out again": {engine.Execution{ID: "x", Status: engine.TimedOut, Log: ran, Context: tried(1)}, nil},
		"succeeded":       {engine.Execution{ID: "x", Status: engine.Succeeded, Log: ran}, nil},
		"abandoned":       {engine.Execution{ID: "x", Status: engine.Abandoned, Log: ran}, nil},
		"canceled":        {engine.Execution{ID: "x", Status: engine.Canceled, Log: ran}, nil},
		"a task":          {engine.Execution{ID: "x", Status: engine.Failed, Log: ran, Parent: "w"}, nil},
		"never began":     {engine.Execution{ID: "x", Status: engine.Failed}, nil},
	} {
		got, err := Retry(list, &tc.e)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, tc.want)
		}
	}
	if _, err := Retry([]*engine.Policy{policy("p.bad", engine.PolicyRetry, `[]`)}, &engine.Execution{Status: engine.Failed, Log: ran}); err == nil {
		t.Error("parameters of another shape are taken")
	}
}
