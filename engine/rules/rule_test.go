package rules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"petrel/engine/expression/value"
)

func definition(criteria string) Definition {
	return Definition{Ref: "p.r", Enabled: true, Trigger: "p.t", Criteria: []byte(criteria)}
}

func TestCompileErrors(t *testing.T) {
	tests := []struct {
		definition Definition
		hint       string
	}{
		{definition(`[]`), "must be an object"},
		{definition(`{"trigger.a": 1}`), "trigger.a"},
		{definition(`{"trigger.a": {"type": 5}}`), "name of an operator"},
		{definition(`{"trigger.a": `), "criteria"},
		{Definition{Ref: "p.r", Type: "backdrop"}, "standard or backstop"},
		{Definition{Ref: "p.r", When: "true"}, "when is not supported"},
		{definition(`{"trigger.a": {"type": "equals", "pattern": "{{ x }}"}}`), "render"},
	}
	for _, tt := range tests {
		if _, err := Compile(tt.definition, Options{}); err == nil || !strings.Contains(err.Error(), tt.hint) || !strings.Contains(err.Error(), "p.r") {
			t.Errorf("Compile(%s %s) = %v, want an error about %q", tt.definition.Criteria, tt.definition.Type, err, tt.hint)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct{ criteria, hint string }{
		{`null`, ""},
		{`{"trigger.a": {"type": "equals", "pattern": 0}}`, ""},
		{`{"trigger.a": {"type": "search", "condition": "any", "pattern": {"item.x": {"type": "bogus"}}}}`, ""},
		{`{"trigger.a": {"type": "EQUALS", "pattern": 1}}`, "must be one of"},
		{`{"trigger.a": {"pattern": 1}}`, "type is None"},
		{`{"trigger.a": {"type": "exists"}}`, "trigger.a has no pattern"},
		{`{"trigger.a": {"type": "exists", "pattern": null}}`, "has no pattern"},
		{`{"trigger.a": "x"}`, "must have an object"},
	}
	for _, tt := range tests {
		err := Check(definition(tt.criteria))
		if (err == nil) != (tt.hint == "") || (err != nil && !strings.Contains(err.Error(), tt.hint)) {
			t.Errorf("Check(%s) = %v, want %q", tt.criteria, err, tt.hint)
		}
	}
}

func TestWarnings(t *testing.T) {
	r := mustCompile(t, definition(`{"trigger.1st": {"type": "equals", "pattern": 1}, "trigger.a": {"type": "regex", "pattern": "("},
		"trigger.b": {"type": "search", "condition": "some", "pattern": {}}, "trigger.c": {"type": "search", "condition": "any",
		"pattern": {"item.x": {"type": "bogus", "pattern": 1}}}, "trigger.d": {"type": "equals", "pattern": null},
		"trigger.e": {"type": "search", "condition": "any", "pattern": 5}, "trigger.f": {"type": "equals", "pattern": "fine"}}`))
	got := r.Warnings()
	want := []string{"trigger.1st", "trigger.a", "some", "bogus", "null", "object of item keys"}
	if len(got) != len(want) {
		t.Fatalf("got %q", got)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("warning %q does not speak of %q", got[i], want[i])
		}
	}
}

func TestExplain(t *testing.T) {
	r := mustCompile(t, definition(`{"trigger.n": {"type": "gt", "pattern": 3}, "trigger.name": {"type": "equals", "pattern": "{{ trigger.other }}"},
		"trigger.n#2": {"type": "contains", "pattern": "x"}, "trigger.list": {"type": "search", "condition": "any",
		"pattern": {"item.a": {"type": "equals", "pattern": 2}}}, "trigger.x": {"type": "bogus", "pattern": 1}}`))
	payload := parse(t, []byte(`{"n": 5, "name": "joe", "other": "ann", "list": [{"a": 1}, {"a": 2}]}`))
	result, err := r.Explain(context.Background(), Event{Payload: payload})
	if err != nil || result.Reason != NotMet || len(result.Criteria) != 5 {
		t.Fatalf("got %v, %v, %v", result.Reason, result.Criteria, err)
	}
	c := result.Criteria
	if !c[0].Holds || c[0].Value != int64(5) || c[0].Pattern != int64(3) {
		t.Errorf("first criterion %+v", c[0])
	}
	if c[1].Holds || c[1].Pattern != "ann" || c[1].Value != "joe" || c[1].Problem != nil {
		t.Errorf("second criterion %+v", c[1])
	}
	if c[2].Holds || c[2].Problem == nil || c[2].Problem.Stage != StageOperator {
		t.Errorf("third criterion %+v", c[2])
	}
	if !c[3].Holds || len(c[3].Items) != 2 || c[3].Items[0][0].Holds || !c[3].Items[1][0].Holds {
		t.Errorf("search %+v", c[3])
	}
	if c[4].Problem == nil || !strings.Contains(c[4].Problem.Error(), "bogus") {
		t.Errorf("unknown operator %+v", c[4])
	}
	text := result.Problems[0].FailureReason("42")
	if !strings.HasPrefix(text, `Failed to match rule "p.r" against trigger instance "42": There might be a problem`) {
		t.Errorf("failure reason %q", text)
	}
}

func TestReasons(t *testing.T) {
	disabled := definition(`{"trigger.a": {"type": "equals", "pattern": 1}}`)
	disabled.Enabled = false
	when := definition(`null`)
	when.When = "trigger.a == 1"
	tests := []struct {
		definition Definition
		payload    string
		want       Reason
		problems   int
	}{
		{disabled, `{"a": 1}`, Disabled, 0},
		{definition(`{"trigger.a": {"type": "nexists", "pattern": 1}}`), `{}`, EmptyPayload, 0},
		{definition(`{"trigger.a": {"type": "equals", "pattern": 1}}`), `{"a": 1}`, Matched, 0},
		{definition(`{"trigger.a": {"type": "equals", "pattern": 1}}`), `{"a": 2}`, NotMet, 0},
		{definition(``), `{}`, Matched, 0},
		{when, `{"a": 1}`, Matched, 0},
		{when, `{"a": 2}`, WhenNotMet, 0},
		{when, `{"a": "x"}`, WhenNotMet, 1},
	}
	for _, tt := range tests {
		r, err := Compile(tt.definition, Options{When: func(string) (Condition, error) { return firstIsOne{}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		result, err := r.Evaluate(context.Background(), Event{Payload: parse(t, []byte(tt.payload))})
		if err != nil || result.Reason != tt.want || len(result.Problems) != tt.problems {
			t.Errorf("%s on %s: %v, %v, %v, want %v", tt.definition.Criteria, tt.payload, result.Reason, result.Problems, err, tt.want)
		}
	}
}

// firstIsOne stands for the condition trigger.a == 1.
type firstIsOne struct{}

func (firstIsOne) Holds(_ context.Context, names map[string]any) (bool, error) {
	a, _ := names["trigger"].(*value.Dict).GetString("a")
	n, ok := a.(int64)
	if !ok {
		return false, errors.New("a is no number")
	}
	return n == 1, nil
}

func TestIndexAbortsOnUnknownOperator(t *testing.T) {
	x := NewIndex([]*Rule{mustCompile(t, definition(`null`)), mustCompile(t, definition(`{"trigger.a": {"type": "bogus", "pattern": 1}}`))})
	out, err := x.Match(context.Background(), "p.t", Event{Payload: parse(t, []byte(`{"a": 1}`))})
	var unknown *UnknownOperatorError
	if !errors.As(err, &unknown) || unknown.Operator != "bogus" || len(out.Matched) != 0 {
		t.Errorf("got %v, %v, want nothing matched and the operator named", out, err)
	}
	if out, err = x.Match(context.Background(), "p.other", Event{}); err != nil || len(out.Matched) != 0 {
		t.Errorf("a trigger without rules: %v, %v", out, err)
	}
}

// Criteria that several rules have are tested once; a problem with one is still told of each rule.
func TestIndexSharesCriteria(t *testing.T) {
	same, wrong := `"trigger.a": {"type": "equals", "pattern": 1}`, `"trigger.a": {"type": "contains", "pattern": "x"}`
	var list []*Rule
	for _, criteria := range []string{same, same + `, "trigger.b": {"type": "equals", "pattern": 2}`, wrong, wrong, same + "," + `"trigger.a#2": {"type": "equals", "pattern": 2}`} {
		d := definition("{" + criteria + "}")
		d.Ref = fmt.Sprintf("p.r%d", len(list))
		list = append(list, mustCompile(t, d))
	}
	x := NewIndex(list)
	for payload, want := range map[string][]string{`{"a": 1, "b": 2}`: {"p.r0", "p.r1"}, `{"a": 1}`: {"p.r0"}, `{"a": 2, "b": 2}`: nil} {
		out, err := x.Match(context.Background(), "p.t", Event{Payload: parse(t, []byte(payload))})
		if got := refs(out.Matched); err != nil || !slices.Equal(got, want) || len(out.Problems) != 2 {
			t.Errorf("%s sets off %v with problems %v, %v, want %v with two", payload, got, out.Problems, err, want)
		}
	}
}

func TestIndexKeepsOrder(t *testing.T) {
	var list []*Rule
	for _, spec := range []string{"b1 backstop", "s1 standard", "b2 backstop", "s2 standard"} {
		name, typ, _ := strings.Cut(spec, " ")
		list = append(list, mustCompile(t, Definition{Ref: name, Type: typ, Enabled: true, Trigger: "p.t"}))
	}
	x := NewIndex(list)
	if got := refs(x.Rules("p.t")); !slices.Equal(got, []string{"s1", "s2", "b1", "b2"}) || x.Len() != 4 {
		t.Errorf("rules %v", got)
	}
}

func TestEvaluateStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	x := NewIndex([]*Rule{mustCompile(t, definition(`null`))})
	if _, err := x.Match(ctx, "p.t", Event{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWildcard(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"a*b*c", "axxbyyc", true}, {"a*b*c", "axxbyy", false}, {"*", "", true}, {"?", "é", true}, {"**a", "a", true},
		{"[!a-c]x", "dx", true}, {"[!a-c]x", "bx", false}, {"[a-]", "-", true}, {"[]-a]", "^", true}, {"[!]a]", "]", false},
		{"[", "[", true}, {"a[b", "a[b", true}, {"[!", "[!", true}, {`\*`, `\x`, true}, {"[z-a]", "z", false}, {"[!z-a]", "z", true},
		{"*.log", "dir/x\n.log", true}, {strings.Repeat("a*", 30) + "b", strings.Repeat("a", 5000), false},
	}
	for _, tt := range tests {
		if got := matchWildcard(parseWildcard(tt.pattern), []rune(tt.text)); got != tt.want {
			t.Errorf("%q on %.20q is %v, want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
}

func TestLower(t *testing.T) {
	for in, want := range map[string]string{"ABC": "abc", "İ": "i\u0307", "ΟΔΟΣ": "οδος", "Σ": "σ", "ΑΣ Σ": "ας σ", "ΣΑ": "σα", "É": "é"} {
		if got := lower(in); got != want {
			t.Errorf("lower(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzEvaluate(f *testing.F) {
	f.Add(`{"trigger.a": {"type": "regex", "pattern": "(a)\\1"}}`, `{"a": "aa"}`)
	f.Add(`{"trigger.a": {"type": "search", "condition": "any", "pattern": {"item.x": {"type": "search", "condition": "all", "pattern": {}}}}}`, `{"a": [{"x": [1]}]}`)
	f.Add(`{"trigger.a[0]": {"type": "td_lt", "pattern": "5"}, "trigger..b": {"type": "in", "pattern": [1, {"a": null}]}}`, `{"a": ["2024-01-01"], "b": 1.0}`)
	renderer := testRenderer(nil)
	f.Fuzz(func(t *testing.T, criteria, payload string) {
		if len(criteria) > 500 || len(payload) > 500 {
			return
		}
		v, err := value.ParseJSON([]byte(payload))
		if err != nil {
			return
		}
		r, err := Compile(definition(criteria), Options{Now: fixedNow, Renderer: renderer})
		if err != nil {
			return
		}
		event := Event{Payload: v}
		result, err := r.Evaluate(context.Background(), event)
		if err != nil {
			return
		}
		explained, err := r.Explain(context.Background(), event)
		if err != nil || explained.Reason != result.Reason {
			t.Errorf("%s on %s: evaluated as %v, explained as %v, %v", criteria, payload, result.Reason, explained.Reason, err)
		}
	})
}
