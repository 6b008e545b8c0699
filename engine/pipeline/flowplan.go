package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/workflow"
	"petrel/engine/workflow/chain"
)

// plan is a workflow file, read and inspected.
type plan struct {
	file     string // ID in WorkflowFiles
	runner   string
	def      *workflow.Definition
	chain    *chain.Chain // nil: Orquesta
	problems []workflow.Problem
	stored   bool
}

// plans keeps what was read, by the hash of the text.
type plans struct {
	mu    sync.Mutex
	known map[string]*plan
}

// maxPlans bounds the plans that are kept.
const maxPlans = 500

func (p *plans) get(key string) *plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[key]
}

func (p *plans) put(key string, one *plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxPlans {
		p.known = map[string]*plan{}
	}
	p.known[key] = one
}

// plan reads the text of a workflow. What is wrong with an Orquesta workflow is in
// its problems; other errors are those of files that are no workflows at all.
func (w *Workers) plan(runner, file string, text []byte) (*plan, error) {
	id := fileID(text)
	key := runner + "/" + id
	if known := w.plans.get(key); known != nil {
		return known, nil
	}
	p := &plan{file: id, runner: runner}
	if runner == engine.RunnerChain {
		c, err := chain.Parse(file, text)
		if err != nil {
			return nil, err
		}
		p.chain = c
	} else {
		def, err := workflow.Parse(file, text)
		if err != nil {
			return nil, err
		}
		p.def, p.problems = def, def.Inspect(w.renderer, "st2", "parent")
	}
	w.plans.put(key, p)
	return p, nil
}

// storedPlan is the plan of a workflow that has begun.
func (w *Workers) storedPlan(ctx context.Context, runner, id string) (*plan, error) {
	if known := w.plans.get(runner + "/" + id); known != nil {
		return known, nil
	}
	d, err := WorkflowFiles.Get(ctx, w.store, id)
	if err != nil {
		return nil, fmt.Errorf("the text of the workflow: %w", err)
	}
	p, err := w.plan(runner, d.Value.File, []byte(d.Value.Text))
	if err == nil {
		p.stored = true
	}
	return p, err
}

// CheckWorkflow says what is wrong with the text of an action's workflow, apart
// from the actions that it names: those may be registered later.
func CheckWorkflow(r *expression.Renderer, a *engine.Action, file string, text []byte) []workflow.Problem {
	var err error
	if a.RunnerType == engine.RunnerChain {
		_, err = chain.Parse("", text)
	} else {
		var def *workflow.Definition
		if def, err = workflow.Parse("", text); err == nil {
			return def.Inspect(r, "st2", "parent")
		}
	}
	if err != nil {
		return []workflow.Problem{{Type: "syntax", Message: err.Error(), File: file}}
	}
	return nil
}

// ReadWorkflow reads the file of an action whose runner is conducted.
func ReadWorkflow(a *engine.Action) (file string, text []byte, err error) {
	file = a.EntryPoint
	if !filepath.IsAbs(file) {
		file = filepath.Join(a.Dir, "actions", filepath.FromSlash(file))
	}
	if a.EntryPoint == "" {
		return file, nil, engine.Errorf(engine.Invalid, "the action %s has no entry_point; it names the workflow file below actions/", a.Ref)
	}
	if text, err = os.ReadFile(file); err != nil {
		return file, nil, engine.Errorf(engine.Invalid, "the workflow of %s cannot be read: %v", a.Ref, err)
	}
	return file, text, nil
}

// InspectWorkflow says what is wrong with the text of an Orquesta workflow, the
// actions that it names included.
func (s *Service) InspectWorkflow(text []byte) []workflow.Problem {
	def, err := workflow.Parse("", text)
	if err != nil {
		return []workflow.Problem{{Type: "syntax", Message: err.Error()}}
	}
	return s.withActions(def, def.Inspect(s.renderer, "st2", "parent"))
}

// withActions adds what is wrong with the actions that a definition names.
func (s *Service) withActions(def *workflow.Definition, known []workflow.Problem) []workflow.Problem {
	problems := append([]workflow.Problem{}, known...)
	problems = append(problems, def.InspectActions(s.actionInput)...)
	slices.SortStableFunc(problems, func(a, b workflow.Problem) int {
		return strings.Compare(a.Type+"\x00"+a.SchemaPath, b.Type+"\x00"+b.SchemaPath)
	})
	return problems
}

// inspect refuses a definition that has something wrong in it.
func (w *Workers) inspect(p *plan, runner *value.Dict) error {
	if p.chain != nil {
		return nil
	}
	if problems := w.withActions(p.def, p.problems); len(problems) > 0 {
		return inspectionError(problems)
	}
	notify, _ := runner.GetString("notify")
	if list, ok := notify.(*value.List); ok {
		for _, name := range list.Items {
			if p.def.Tasks[value.Str(name)] == nil {
				return engine.Errorf(engine.Invalid, "the parameter notify names the task %s, which the workflow does not have", value.Repr(name))
			}
		}
	}
	return nil
}

// actionInput says what an action takes; see workflow.Definition.InspectActions.
func (s *Service) actionInput(ref string) (workflow.ActionInput, bool) {
	c := s.current()
	action, ok := c.content.Action(ref)
	if !ok {
		return workflow.ActionInput{}, false
	}
	set, err := c.schema(action)
	if err != nil {
		return workflow.ActionInput{}, true // told when it is requested
	}
	in := workflow.ActionInput{Names: set.params.Names()}
	for _, name := range in.Names {
		schema := set.params.Schema(name)
		required, _ := schema.GetString("required")
		if _, hasDefault := schema.GetString("default"); value.Truth(required) && !hasDefault {
			in.Required = append(in.Required, name)
		}
	}
	return in, true
}
