package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/workflow"
	"petrel/engine/workflow/chain"
)

func (a *app) workflowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "workflow", Short: "Look at workflows: inspect, draw, simulate, convert",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	cmd.AddCommand(a.workflowInspectCommand(), a.workflowGraphCommand(), a.workflowSimulateCommand(), a.workflowConvertCommand())
	return cmd
}

// workflowFile is a workflow or an action chain, as a file has it.
type workflowFile struct {
	def   *workflow.Definition
	chain *chain.Chain // nil: Orquesta
}

// readWorkflow reads a file; "-" is standard input. A map with the key chain is an
// action chain.
func (a *app) readWorkflow(name string) (workflowFile, error) {
	text, err := a.readFile(name)
	if err != nil {
		return workflowFile{}, err
	}
	if v, err := value.ParseYAML(text); err == nil {
		if d, ok := v.(*value.Dict); ok {
			if _, isChain := d.GetString("chain"); isChain {
				c, err := chain.Parse(name, text)
				if err != nil {
					return workflowFile{}, err
				}
				return workflowFile{c.Definition(), c}, nil
			}
		}
	}
	def, err := workflow.Parse(name, text)
	return workflowFile{def: def}, err
}

// problems prints what is wrong with a workflow and tells how much it is. A chain
// that could be read is in order.
func (f workflowFile) problems(out io.Writer, r *expression.Renderer) int {
	if f.chain != nil {
		return 0
	}
	found := f.def.Inspect(r, "st2", "parent")
	for _, p := range found {
		fmt.Fprintln(out, p)
	}
	return len(found)
}

func (a *app) workflowInspectCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say what is wrong with a workflow, with file and line",
		Args:  exactArgs(1, "the workflow file"),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := a.readWorkflow(args[0])
			if err != nil {
				return err
			}
			renderer := expression.New(expression.Options{})
			if asJSON {
				found := []workflow.Problem{}
				if f.chain == nil {
					found = append(found, f.def.Inspect(renderer, "st2", "parent")...)
				}
				return a.printJSON(found)
			}
			if n := f.problems(a.out, renderer); n > 0 {
				return errSilent
			}
			_, err = fmt.Fprintf(a.out, "%s is in order\n", args[0])
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the problems as a JSON list, as the API does")
	return cmd
}

// readFile reads a file; "-" is standard input.
func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.in)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, usageError{err}
	}
	return text, nil
}

func (a *app) workflowSimulateCommand() *cobra.Command {
	var o simulateOptions
	cmd := &cobra.Command{
		Use:   "simulate FILE --script STEPS",
		Short: "Play a workflow over scripted outcomes, running nothing",
		Long: `Plays a workflow (or an action chain): the script says how each action ends, and
what comes next is printed. STEPS is a YAML or JSON file with a list of steps, or
a map {inputs, context, script}. A step is one of

  {task: build, status: succeeded, result: {stdout: ok}}    route: 0 when not given
  {task: ping, item: 2, status: failed}                     an item of a task
  {request: paused}                                         or resuming, canceled
  {rerun: [{task_id: build, reset_items: true}]}            null: what failed`,
		Example: "  petrel workflow simulate deploy.yaml --script happy.yaml --inputs inputs.yaml",
		Args:    exactArgs(1, "the workflow file"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.simulate(cmd.Context(), args[0], o) },
	}
	cmd.Flags().StringVar(&o.script, "script", "", "YAML or JSON `file` with the steps; without it the workflow is only begun")
	cmd.Flags().StringVar(&o.inputs, "inputs", "", "YAML or JSON `file` with the inputs of the workflow")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object")
	return cmd
}

type simulateOptions struct {
	script, inputs string
	json           bool
}

// simulation is what a simulation prints as JSON.
type simulation struct {
	Steps  []simulatedStep  `json:"steps"`
	Status workflow.Status  `json:"status"`
	Output any              `json:"output"`
	Errors []workflow.Entry `json:"errors"`
}

type simulatedStep struct {
	Step    *workflow.Step  `json:"step,omitempty"` // absent: the start
	Refused string          `json:"refused,omitempty"`
	Status  workflow.Status `json:"status"`
	Next    []simulatedTask `json:"next"`
}

type simulatedTask struct {
	Task    string            `json:"task"`
	Route   int               `json:"route"`
	Actions []simulatedAction `json:"actions"`
	Delay   int64             `json:"delay,omitempty"`
}

type simulatedAction struct {
	Action any  `json:"action"`
	Input  any  `json:"input"`
	Item   *int `json:"item,omitempty"`
}

func (a *app) simulate(ctx context.Context, file string, o simulateOptions) error {
	f, err := a.readWorkflow(file)
	if err != nil {
		return err
	}
	renderer := expression.New(expression.Options{})
	if n := f.problems(a.err, renderer); n > 0 {
		return fmt.Errorf("%s has %d problems and would not start", file, n)
	}
	script, err := readScript(o, a.in)
	if err != nil {
		return usageError{err}
	}
	out, err := f.play(ctx, renderer, script)
	if err != nil {
		return err
	}
	if o.json {
		return a.printJSON(out)
	}
	return out.print(a.out)
}

// script is what a simulation is played with.
type script struct {
	inputs, context *value.Dict
	steps           []workflow.Step
}

func readScript(o simulateOptions, stdin io.Reader) (script, error) {
	var s script
	v, err := readValue("--script", o.script, stdin)
	if err != nil {
		return s, err
	}
	inputs, err := readValue("--inputs", o.inputs, stdin)
	if err != nil {
		return s, err
	}
	if d, ok := v.(*value.Dict); ok {
		if given, ok := d.GetString("inputs"); ok && inputs == nil {
			inputs = given
		}
		parent, _ := d.GetString("context")
		if s.context, err = contextMap(parent); err != nil {
			return s, fmt.Errorf("--script %s: %w", o.script, err)
		}
		v, _ = d.GetString("script")
	}
	if s.inputs, err = contextMap(inputs); err != nil {
		return s, fmt.Errorf("the inputs: %w", err)
	}
	list, ok := v.(*value.List)
	if !ok && v != nil {
		return s, fmt.Errorf("--script %s: a list of steps is needed, not %s", o.script, value.TypeName(v))
	}
	for i := 0; ok && i < len(list.Items); i++ {
		step, err := readStep(list.Items[i])
		if err != nil {
			return s, fmt.Errorf("--script %s: step %d: %w", o.script, i+1, err)
		}
		s.steps = append(s.steps, step)
	}
	return s, nil
}

func readStep(v any) (workflow.Step, error) {
	var s workflow.Step
	d, ok := v.(*value.Dict)
	if !ok {
		return s, fmt.Errorf("a step must be a map, not %s", value.TypeName(v))
	}
	raw, err := value.AppendJSON(nil, d)
	if err != nil {
		return s, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, fmt.Errorf("%s (a step has task, route, item, status and result, or request, or rerun)", strings.TrimPrefix(err.Error(), "json: "))
	}
	if again, ok := d.GetString("rerun"); ok && again == nil {
		s.Rerun = &[]workflow.StepRerun{}
	}
	if s.Rerun == nil && s.Request == "" && (s.Task == "" || s.Status == "") {
		return s, errors.New("a step needs task and status, or request, or rerun")
	}
	return s, nil
}

func (f workflowFile) begin(ctx context.Context, r *expression.Renderer, s script) (*workflow.Simulation, []workflow.Next, error) {
	if f.chain == nil {
		return workflow.Simulate(ctx, workflow.Options{Definition: f.def, Evaluator: r}, workflow.Start{Input: s.inputs, Parent: s.context})
	}
	run, err := chain.New(ctx, chain.Options{Chain: f.chain, Renderer: r, Parameters: s.inputs, ActionContext: s.context})
	if err != nil {
		return nil, nil, err
	}
	return workflow.Play(ctx, run.Conductor)
}

func (f workflowFile) play(ctx context.Context, r *expression.Renderer, s script) (simulation, error) {
	var out simulation
	c, next, err := f.begin(ctx, r, s)
	if err != nil {
		return out, err
	}
	out.Steps = append(out.Steps, simulatedStep{Status: c.Status(), Next: simulatedTasks(next)})
	for _, step := range s.steps {
		next, refused, err := c.Do(ctx, step)
		if err != nil {
			return out, err
		}
		played := simulatedStep{Step: &step, Status: c.Status(), Next: simulatedTasks(next)}
		if refused != nil {
			played.Refused = refused.Error()
		}
		out.Steps = append(out.Steps, played)
	}
	out.Status = c.Status()
	put, err := c.Output()
	if err != nil {
		return out, err
	}
	if put != nil {
		out.Output = put
	}
	out.Errors, err = c.Errors()
	return out, err
}

func simulatedTasks(next []workflow.Next) []simulatedTask {
	out := []simulatedTask{}
	for _, n := range next {
		t := simulatedTask{Task: n.Task, Route: n.Route, Actions: []simulatedAction{}}
		if n.Delay != nil {
			t.Delay = *n.Delay
		}
		for _, a := range n.Actions {
			if !n.Completed {
				t.Actions = append(t.Actions, simulatedAction{a.Ref, a.Input, a.Item})
			}
		}
		out = append(out, t)
	}
	return out
}

func (s simulation) print(w io.Writer) error {
	var b strings.Builder
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "%s: %s\n", describeStep(step.Step), step.Status)
		if step.Refused != "" {
			fmt.Fprintf(&b, "  refused: %s\n", step.Refused)
		}
		for _, t := range step.Next {
			printTask(&b, t)
		}
	}
	if s.Output != nil {
		fmt.Fprintf(&b, "output: %s\n", compact(s.Output))
	}
	for _, e := range s.Errors {
		b.WriteString("error: ")
		if e.TaskID != "" {
			b.WriteString(e.TaskID + ": ")
		}
		b.WriteString(e.Message)
		if len(e.Result) > 0 {
			b.WriteString(" " + string(e.Result))
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printTask(b *strings.Builder, t simulatedTask) {
	name, wait := fmt.Sprintf("%s/%d", t.Task, t.Route), ""
	if t.Delay > 0 {
		wait = fmt.Sprintf(" after %ds", t.Delay)
	}
	if len(t.Actions) == 0 {
		fmt.Fprintf(b, "  -> %s: nothing to run, succeeded\n", name)
	}
	for _, a := range t.Actions {
		item := ""
		if a.Item != nil {
			item = fmt.Sprintf("#%d", *a.Item)
		}
		fmt.Fprintf(b, "  -> %s%s%s: %v %s\n", name, item, wait, a.Action, compact(a.Input))
	}
}

func describeStep(s *workflow.Step) string {
	switch {
	case s == nil:
		return "start"
	case s.Rerun != nil:
		return "rerun"
	case s.Request != "":
		return "request " + string(s.Request)
	case s.Item != nil:
		return fmt.Sprintf("%s/%d#%d %s", s.Task, s.Route, *s.Item, s.Status)
	}
	return fmt.Sprintf("%s/%d %s", s.Task, s.Route, s.Status)
}

func compact(v any) string {
	if v == nil {
		return ""
	}
	raw, err := value.AppendJSON(nil, v)
	if err != nil {
		return value.Repr(v)
	}
	return string(raw)
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
