package pipeline

import (
	"context"
	"fmt"
	"sync"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/params"
	"petrel/engine/rules"
)

// compiled is a snapshot of the content with what is computed from it once.
type compiled struct {
	content  Content
	renderer *expression.Renderer
	rules    map[string]*engine.Rule // enabled ones that compile, by ref
	index    *rules.Index
	triggers map[string]bool // trigger types and triggers that a rule waits for
	schemas  sync.Map        // *engine.Action -> *schema
}

// current returns the newest content, compiled.
func (s *Service) current() *compiled {
	content := s.catalog.Current()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.compiled == nil || s.compiled.content != content {
		s.compiled = s.compile(content)
	}
	return s.compiled
}

// compile prepares the enabled rules. One that cannot be prepared is reported
// and left out.
func (s *Service) compile(content Content) *compiled {
	c := &compiled{content: content, renderer: s.renderer, rules: map[string]*engine.Rule{}, triggers: map[string]bool{}}
	options := rules.Options{Renderer: patternRenderer{s.renderer}, Now: s.now}
	var list []*rules.Rule
	for _, rule := range content.Rules() {
		if !rule.Enabled {
			continue
		}
		key, err := rule.Trigger.Key()
		if err != nil {
			s.log.Error("rule cannot be used", "rule", rule.Ref, "error", err)
			continue
		}
		trigger := triggerName(rule.Trigger.Type, key)
		options.When = compileWhen(s.renderer, rule)
		r, err := rules.Compile(rules.Definition{
			Ref: rule.Ref, Enabled: true, Type: rule.Type.Ref, Trigger: trigger, Criteria: rule.Criteria, When: rule.When,
		}, options)
		if err != nil {
			s.log.Error("rule cannot be used", "rule", rule.Ref, "error", err)
			continue
		}
		list = append(list, r)
		c.rules[rule.Ref] = rule
		c.triggers[rule.Trigger.Type], c.triggers[trigger] = true, true
	}
	c.index = rules.NewIndex(list)
	return c
}

// triggerName names one trigger of a type.
func triggerName(trigger, key string) string {
	if key == "" {
		return trigger
	}
	return trigger + " " + key
}

// queues lists the queues that work is put into.
func (c *compiled) queues() []string {
	list := []string{QueueTriggers, QueueWorkflows}
	for _, r := range c.content.Runners() {
		list = append(list, QueueActions(r.Name))
	}
	return list
}

func (c *compiled) listens(trigger string) bool { return c.triggers[trigger] }

func (c *compiled) listensTo(trigger, key string) bool { return c.triggers[triggerName(trigger, key)] }

// ruleMatch is a rule that an instance sets off, or one that could not be
// evaluated and why.
type ruleMatch struct {
	rule    *engine.Rule
	problem string
}

// match finds the rules that an instance sets off.
func (c *compiled) match(ctx context.Context, inst *engine.TriggerInstance) ([]ruleMatch, error) {
	trigger := triggerName(inst.Trigger, inst.Key)
	if !c.triggers[trigger] {
		return nil, nil
	}
	payload, err := value.ParseJSON(inst.Payload)
	if err != nil {
		return nil, fmt.Errorf("payload of trigger instance %s: %w", inst.ID, err)
	}
	stored := c.renderer.Stored(ctx, "system")
	outcome, err := c.index.Match(ctx, trigger, rules.Event{
		Payload: payload,
		Names:   map[string]any{"system": stored, "st2kv": value.DictOf("system", stored)},
		System:  c.renderer.SystemItem,
	})
	if err != nil {
		return nil, err
	}
	var matches []ruleMatch
	for _, r := range outcome.Matched {
		matches = append(matches, ruleMatch{rule: c.rules[r.Ref]})
	}
	return append(matches, c.problems(inst, outcome.Problems)...), nil
}

// problems gathers what went wrong, one entry a rule.
func (c *compiled) problems(inst *engine.TriggerInstance, list []rules.Problem) []ruleMatch {
	var failed []ruleMatch
	for _, p := range list {
		reason := p.FailureReason(inst.ID)
		if n := len(failed); n > 0 && failed[n-1].rule.Ref == p.Rule {
			failed[n-1].problem += "\n" + reason
			continue
		}
		failed = append(failed, ruleMatch{rule: c.rules[p.Rule], problem: reason})
	}
	return failed
}

// patternRenderer renders the patterns of criteria.
type patternRenderer struct{ *expression.Renderer }

// Typed implements rules.Renderer.
func (r patternRenderer) Typed(ctx context.Context, pattern string, names map[string]any) (any, error) {
	return r.Renderer.Typed(ctx, pattern, names)
}

// schema is what the parameters of an action may be: its own and its runner's
// schemas merged; or why that is not known.
type schema struct {
	runner string // canonical name
	params *params.Set
	output *params.Output // its problems are told when the pack is loaded
	err    error
}

// schema returns the schema of an action, computed once.
func (c *compiled) schema(action *engine.Action) (*schema, error) {
	known, ok := c.schemas.Load(action)
	if !ok {
		s := &schema{}
		if runner, there := c.content.Runner(action.RunnerType); there {
			s.runner = runner.Name
			s.params, s.err = params.Compile(runner.Parameters, action.Parameters)
			s.output, _ = params.CompileOutput(runner.OutputKey, runnerOutput(runner), action.OutputSchema)
		} else {
			s.err = fmt.Errorf("there is no runner %q", action.RunnerType)
		}
		known, _ = c.schemas.LoadOrStore(action, s)
	}
	s := known.(*schema)
	return s, s.err
}
