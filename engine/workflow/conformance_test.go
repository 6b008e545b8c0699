package workflow

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

// conformanceCase is a workflow with a script of events and what the reference did
// with it.
type conformanceCase struct {
	Name        string     `json:"name"`
	YAML        string     `json:"workflow_yaml"`
	Inputs      any        `json:"inputs"`
	Context     any        `json:"context"`
	InspectOnly bool       `json:"inspect_only"`
	Script      []scripted `json:"script"`
	Expect      struct {
		Inspect     map[string][]map[string]any `json:"inspect_errors"`
		Instantiate any                         `json:"instantiate_error"`
		Next        [][]map[string]any          `json:"next_tasks_after_each_step"`
		Workflow    []string                    `json:"workflow_status_after_each_step"`
		Task        []*string                   `json:"task_status_after_each_step"`
		Raises      []map[string]any            `json:"raises_after_each_step"`
		Status      string                      `json:"workflow_status"`
		Output      any                         `json:"output"`
		Errors      []map[string]any            `json:"errors"`
		Terminal    any                         `json:"terminal_context"`
	} `json:"expect"`
}

// scripted is a step in which "rerun": null asks for a rerun too.
type scripted struct{ Step }

func (s *scripted) UnmarshalJSON(b []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		return err
	}
	if err := json.Unmarshal(b, &s.Step); err != nil {
		return err
	}
	if _, ok := keys["rerun"]; ok && s.Rerun == nil {
		s.Rerun = &[]StepRerun{}
	}
	return nil
}

// TestConformance runs the cases of the reference. There is none that is answered
// in another way on purpose.
func TestConformance(t *testing.T) {
	f, err := os.Open("testdata/orquesta.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		runCase(t, lines.Bytes())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestConformanceFixtures runs the cases that carry upstream's own workflows; they
// stay in the shared folder.
func TestConformanceFixtures(t *testing.T) {
	dir := sharedFolder()
	files, _ := filepath.Glob(filepath.Join(dir, "orquesta", "*_fx_*.json"))
	if dir == "" || len(files) == 0 {
		t.Log("not run: there is no folder shared/conformance beside the checkout")
		return
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		runCase(t, text)
	}
}

// sharedFolder finds shared/conformance in a parent folder.
func sharedFolder() string {
	at, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		dir := filepath.Join(at, "shared", "conformance")
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		up := filepath.Dir(at)
		if up == at {
			return ""
		}
		at = up
	}
}

func runCase(t *testing.T, text []byte) {
	var c conformanceCase
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	t.Run(c.Name, func(t *testing.T) { c.run(t) })
}

func (cc *conformanceCase) run(t *testing.T) {
	renderer := expression.New(expression.Options{})
	def, err := Parse("", []byte(cc.YAML))
	if err != nil {
		t.Fatal(err)
	}
	problems := def.Inspect(renderer, contextNames(cc.Context)...)
	if cc.Expect.Instantiate != nil {
		// What upstream cannot even load is an error of syntax here.
		if len(problems) == 0 || problems[0].Type != "syntax" {
			t.Errorf("inspection gave %v, want an error of syntax", problems)
		}
		return
	}
	cc.checkProblems(t, problems)
	if cc.InspectOnly {
		return
	}
	p := &player{t: t, options: Options{Definition: def, Evaluator: renderer}}
	p.begin(Start{Input: dict(t, cc.Inputs), Parent: dict(t, cc.Context)})
	cc.checkStep(p, 0, nil, nil)
	for i, s := range cc.Script {
		err := p.step(s.Step)
		cc.checkStep(p, i+1, &s.Step, err)
	}
	cc.checkEnd(p)
}

// player drives a conductor through a script and puts its state through JSON after
// each step.
type player struct {
	t       *testing.T
	options Options
	c       *Simulation
	state   State
	next    []Next
}

func (p *player) begin(start Start) {
	p.t.Helper()
	var err error
	if p.c, p.next, err = Simulate(p.t.Context(), p.options, start); err != nil {
		p.t.Fatal(err)
	}
	p.reopen()
}

// step plays a step and gives why it was refused.
func (p *player) step(s Step) error {
	p.t.Helper()
	next, refused, err := p.c.Do(p.t.Context(), s)
	if err != nil {
		p.t.Fatal(err)
	}
	p.next = next
	p.reopen()
	if refused != nil {
		return refused
	}
	return nil
}

func (p *player) reopen() {
	p.t.Helper()
	changes, err := p.c.Changes()
	if err != nil {
		p.t.Fatal(err)
	}
	if p.state == nil {
		p.state = State{}
	}
	p.state.Apply(changes)
	text, err := json.Marshal(p.state)
	if err != nil {
		p.t.Fatal(err)
	}
	var again State
	if err := json.Unmarshal(text, &again); err != nil {
		p.t.Fatal(err)
	}
	if p.c.Conductor, err = Open(p.options, again.Load); err != nil {
		p.t.Fatal(err)
	}
}

func (cc *conformanceCase) checkStep(p *player, i int, s *Step, err error) {
	t := p.t
	t.Helper()
	if i < len(cc.Expect.Raises) && (cc.Expect.Raises[i] != nil) != (err != nil) {
		t.Errorf("step %d: error %v, want %v", i, err, cc.Expect.Raises[i])
	} else if i < len(cc.Expect.Raises) && err != nil {
		if got := cc.Expect.Raises[i]["message"]; got != err.Error() {
			t.Errorf("step %d: error %q, want %q", i, err, got)
		}
	} else if err != nil {
		t.Errorf("step %d: %v", i, err)
	}
	if got := string(p.c.Status()); got != cc.Expect.Workflow[i] {
		t.Errorf("step %d: the workflow is %s, want %s", i, got, cc.Expect.Workflow[i])
	}
	if want := cc.Expect.Task[i]; s != nil && want != nil {
		if got := string(p.c.TaskStatus(s.Task, s.Route)); got != *want {
			t.Errorf("step %d: the task is %s, want %s", i, got, *want)
		}
	}
	var got []map[string]any
	for _, n := range p.next {
		got = append(got, nextAsJSON(t, p.c, n))
	}
	sameJSON(t, "next tasks after step "+value.Str(int64(i)), got, cc.Expect.Next[i])
}

// nextAsJSON spells a next task as the cases do.
func nextAsJSON(t *testing.T, c *Simulation, n Next) map[string]any {
	t.Helper()
	seen, err := c.Context(n.Task, n.Route)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{"id": n.Task, "route": n.Route, "ctx": value.ToGo(seen)}
	actions := []any{}
	for _, a := range n.Actions {
		x := map[string]any{"action": value.ToGo(a.Ref), "input": value.ToGo(a.Input)}
		if a.Item != nil {
			x["item_id"] = *a.Item
		}
		actions = append(actions, x)
	}
	out["actions"] = actions
	if n.Delay != nil {
		out["delay"] = *n.Delay
	}
	if n.Itemized {
		out["items_count"], out["concurrency"] = n.ItemsCount, n.Concurrency
	}
	if n.Completed {
		out["auto_completed"] = true
	}
	return out
}

func (cc *conformanceCase) checkEnd(p *player) {
	t := p.t
	if got := string(p.c.Status()); got != cc.Expect.Status {
		t.Errorf("in the end the workflow is %s, want %s", got, cc.Expect.Status)
	}
	out, err := p.c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var plain any
	if out != nil {
		plain = value.ToGo(out)
	}
	sameJSON(t, "output", plain, cc.Expect.Output)
	entries, err := p.c.Errors()
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "errors", withoutWords(t, entries), withoutWords(t, cc.Expect.Errors))
	if p.c.Status().Completed() && cc.Expect.Terminal != nil {
		terminal, err := p.c.Terminal()
		if err != nil {
			t.Fatal(err)
		}
		sameJSON(t, "terminal context", value.ToGo(terminal), cc.Expect.Terminal)
	}
}

// withoutWords keeps of the messages of expressions only what went wrong where: the
// words of an error are the language's own.
func withoutWords(t *testing.T, entries any) []map[string]any {
	t.Helper()
	var list []map[string]any
	raw, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		message, _ := e["message"].(string)
		if kind, _, ok := strings.Cut(message, ":"); ok && strings.HasSuffix(kind, "EvaluationException") {
			e["message"] = kind
		}
	}
	return list
}

func (cc *conformanceCase) checkProblems(t *testing.T, problems []Problem) {
	t.Helper()
	category := map[string]string{"semantic": "semantics", "expression": "expressions"}
	got := map[string][]map[string]any{}
	for _, p := range problems {
		kind := p.Type
		if c := category[kind]; c != "" {
			kind = c
		}
		e := map[string]any{"spec_path": p.SpecPath, "schema_path": p.SchemaPath}
		if p.Language != "" {
			e["type"], e["expression"] = p.Language, p.Expression
		}
		if kind == "context" {
			e["message"] = p.Message
		}
		got[kind] = append(got[kind], e)
	}
	want := map[string][]map[string]any{}
	for kind, list := range cc.Expect.Inspect {
		for _, e := range list {
			if kind != "context" {
				delete(e, "message")
			}
			want[kind] = append(want[kind], e)
		}
	}
	sameJSON(t, "inspection", got, want)
}

func contextNames(v any) []string {
	var out []string
	if m, ok := v.(map[string]any); ok {
		for k := range m {
			out = append(out, k)
		}
	}
	return out
}

func dict(t *testing.T, v any) *value.Dict {
	t.Helper()
	if v == nil {
		return nil
	}
	x, err := value.FromGo(v)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := x.(*value.Dict)
	return d
}

// sameJSON compares two values as JSON.
func sameJSON(t *testing.T, what string, got, want any) {
	t.Helper()
	plain := func(v any) (any, []byte) {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(raw, []byte("null")) {
			return nil, raw
		}
		var out any
		if err := json.Unmarshal(raw, &out); err != nil {
			t.Fatal(err)
		}
		if l, ok := out.([]any); ok && len(l) == 0 {
			return nil, raw
		}
		return out, raw
	}
	g, gotText := plain(got)
	w, wantText := plain(want)
	if !reflect.DeepEqual(g, w) {
		t.Errorf("%s:\n got %s\nwant %s", what, gotText, wantText)
	}
}
