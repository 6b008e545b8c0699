package pipeline

import (
	"context"
	"fmt"
	"sync"

	"petrel/engine"
	"petrel/engine/params"
)

// compiled is a snapshot of the content with what is computed from it once.
type compiled struct {
	content Content
	rules   map[triggerKey][]*engine.Rule
	params  sync.Map // *engine.Action -> *compiledParams
}

type triggerKey struct{ trigger, key string }

type ruleMatch struct {
	rule    *engine.Rule
	problem string
}

func (s *Service) current() *compiled {
	content := s.catalog.Current()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.compiled == nil || s.compiled.content != content {
		s.compiled = compileContent(content)
	}
	return s.compiled
}

func compileContent(content Content) *compiled {
	c := &compiled{content: content, rules: map[triggerKey][]*engine.Rule{}}
	for _, rule := range content.Rules() {
		key, err := rule.Trigger.Key()
		if err != nil || !rule.Enabled {
			continue
		}
		k := triggerKey{rule.Trigger.Type, key}
		c.rules[k] = append(c.rules[k], rule)
	}
	return c
}

func (c *compiled) listens(trigger string) bool {
	for k := range c.rules {
		if k.trigger == trigger {
			return true
		}
	}
	return false
}

func (c *compiled) listensTo(trigger, key string) bool {
	return len(c.rules[triggerKey{trigger, key}]) > 0
}

func (c *compiled) match(ctx context.Context, inst *engine.TriggerInstance) ([]ruleMatch, error) {
	var out []ruleMatch
	for _, r := range c.rules[triggerKey{inst.Trigger, inst.Key}] {
		out = append(out, ruleMatch{rule: r})
	}
	return out, nil
}

// compiledParams is the merged parameter schema of an action, or why there is none.
type compiledParams struct {
	set *params.Set
	err error
}

// params returns the parameter schemas of an action and its runner, merged.
func (c *compiled) paramsOf(action *engine.Action) (*params.Set, error) {
	if known, ok := c.params.Load(action); ok {
		p := known.(*compiledParams)
		return p.set, p.err
	}
	p := &compiledParams{}
	if runner, ok := c.content.Runner(action.RunnerType); ok {
		p.set, p.err = params.Compile(runner.Parameters, action.Parameters)
	} else {
		p.err = fmt.Errorf("there is no runner %q", action.RunnerType)
	}
	c.params.Store(action, p)
	return p.set, p.err
}
