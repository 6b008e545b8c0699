package expression

import (
	"context"
	"testing"

	"petrel/engine/expression/value"
)

func TestTypedSensibly(t *testing.T) {
	r := New(Options{Datastore: items{"system:color": "red", "system:num": "5"}})
	names := Names{"trigger": parse(t, []byte(`{"n": 5, "s": "joe", "l": [1, {"a": null}], "b": true, "nul": null, "digits": "12"}`))}
	tests := []struct{ pattern, want string }{
		{"{{ trigger.n }}", "5"},
		{"  {{trigger.n}}\n", "5"},
		{"{{- trigger.n -}}", "5"},
		{"{{ -5 }}", "-5"},
		{"{{ trigger.s }}", "'joe'"},
		{"{{ trigger.digits }}", "'12'"},
		{"{{ trigger.l }}", "[1, {'a': None}]"},
		{"{{ trigger.b }}", "True"},
		{"{{ trigger.nul }}", "None"},
		{"{{ trigger.n + 1 }}", "6"},
		{"{{ trigger.n | int }}", "5"},
		{"{{ 10 }}5", "'105'"},
		{"{{ trigger.n }}{{ '' }}", "'5'"},
		{"{{ '}}' }}", "'}}'"},
		{"x{{ trigger.s }}", "'xjoe'"},
		{"[{{ trigger.n }}, 2]", "[5, 2]"},
		{`{"a": {{ trigger.s }}}`, "{'a': 'joe'}"},
		{"[{{ trigger.s }}", "'[joe'"},
		{"{{ st2kv.system.num }}", "'5'"},
		{"{{ st2kv.system.none }}", "''"},
		{"{% if trigger.b %}yes{% endif %}", "'yes'"},
		{"plain\n", "'plain'"},
		{"{{ nosuch }}", "error"},
		{"{{ trigger.nosuch.deeper }}", "error"},
		{"{{ 1 + }}", "error"},
	}
	for _, tt := range tests {
		got := "error"
		if v, err := r.Typed(context.Background(), tt.pattern, names); err == nil {
			got = value.Repr(v)
		}
		if got != tt.want {
			t.Errorf("Typed(%q) = %s, want %s", tt.pattern, got, tt.want)
		}
	}
}
