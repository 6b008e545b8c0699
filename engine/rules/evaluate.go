package rules

import (
	"context"
	"errors"
	"fmt"

	"petrel/engine/expression/value"
)

// Event is a trigger instance as rules see it.
type Event struct {
	Payload any // the value model; `trigger` in keys and patterns
	// Names are further names for patterns: system and st2kv.
	Names map[string]any
	// System looks up the text of a system item of the datastore, for keys `system.<item>`; nil: none exists. (In StackStorm such a key gives
	// an object that is equal to nothing.)
	System func(ctx context.Context, item string) (text string, ok bool, err error)
}

// Reason says why a rule did not match.
type Reason string

const (
	Matched      Reason = "matched"
	Disabled     Reason = "disabled"
	EmptyPayload Reason = "empty_payload" // there are criteria and nothing to test
	NotMet       Reason = "criteria"      // a criterion does not hold, or could not be tested
	WhenNotMet   Reason = "when"          // the when condition does not hold, or could not be tested
)

// Result is what became of one rule.
type Result struct {
	Rule     *Rule
	Reason   Reason
	Problems []Problem
	// Criteria tells about each criterion; filled by Explain only.
	Criteria []Criterion
}

// Matched reports whether the rule is set off.
func (r Result) Matched() bool { return r.Reason == Matched }

// Stage is the step of an evaluation in which a problem came up.
type Stage string

const (
	StagePattern  Stage = "pattern"
	StageKey      Stage = "key"
	StageOperator Stage = "operator"
	StageWhen     Stage = "when"
)

// Problem is something that kept a criterion from being tested. StackStorm leaves a failed rule enforcement for each.
type Problem struct {
	Rule    string // ref
	Key     string
	Stage   Stage
	Pattern string // the pattern that could not be rendered
	Err     error
}

func (p Problem) Error() string {
	switch p.Stage {
	case StagePattern:
		return fmt.Sprintf("Failed to render pattern value %q for key %q: %v", p.Pattern, p.Key, p.Err)
	case StageKey:
		return fmt.Sprintf("Failed transforming criteria key %s: %v", p.Key, p.Err)
	case StageWhen:
		return fmt.Sprintf("Failed to test the when condition of rule %s: %v", p.Rule, p.Err)
	}
	return fmt.Sprintf("There might be a problem with the criteria in rule %s: key %s: %v", p.Rule, p.Key, p.Err)
}

func (p Problem) Unwrap() error { return p.Err }

// FailureReason is the text of the failed enforcement.
func (p Problem) FailureReason(instance string) string {
	return fmt.Sprintf("Failed to match rule %q against trigger instance %q: %v", p.Rule, instance, p)
}

// Criterion is one criterion of a rule as it was tested.
type Criterion struct {
	Key     string
	Type    string
	Pattern any // rendered, in the value model
	Value   any // what the key found; nil also when it found nothing
	Holds   bool
	Problem *Problem // why it could not be tested
	// Items tells about each item of a search.
	Items [][]Criterion
}

// UnknownOperatorError: a criterion has an operator that does not exist. It can only be there when the rule was stored without Check; as in
// StackStorm nothing is run for the whole event.
type UnknownOperatorError struct{ Rule, Key, Operator string }

func (e *UnknownOperatorError) Error() string {
	return fmt.Sprintf("rule %s, criteria key %s: there is no operator %q", e.Rule, e.Key, e.Operator)
}

// Evaluate tests an event against the rule, up to the first criterion that does not hold. Errors: *UnknownOperatorError and the context's.
func (r *Rule) Evaluate(ctx context.Context, event Event) (Result, error) {
	e := evaluation{rule: r, session: newSession(event, 0)}
	return e.run(ctx)
}

// Explain tests all criteria, whether they hold or not, and tells about each.
func (r *Rule) Explain(ctx context.Context, event Event) (Result, error) {
	e := evaluation{rule: r, session: newSession(event, 0), explain: true}
	return e.run(ctx)
}

// session is what the rules tested on one event have in common.
type session struct {
	event    Event
	payload  *scope
	outcomes []verdict // of criteria that several rules have, by number
}

// verdict is the outcome of a criterion that could be tested.
type verdict uint8

const (
	notTested verdict = iota
	verdictYes
	verdictNo
)

func newSession(event Event, criteria int) *session {
	s := &session{event: event, outcomes: make([]verdict, criteria)}
	s.payload = s.newScope("trigger", event.Payload)
	return s
}

// evaluation is one event against one rule.
type evaluation struct {
	*session
	rule     *Rule
	numbers  []int // of the rule's criteria among those of its trigger; nil: nothing is shared
	explain  bool
	problems []Problem
}

func (e *evaluation) run(ctx context.Context) (Result, error) {
	result := Result{Rule: e.rule, Reason: Matched}
	switch {
	case !e.rule.Enabled:
		result.Reason = Disabled
	case len(e.rule.criteria) > 0 && !value.Truth(e.event.Payload):
		result.Reason = EmptyPayload
	}
	if result.Reason != Matched && !e.explain {
		return result, nil
	}
	for i := range e.rule.criteria {
		c, err := e.testShared(ctx, i)
		if err != nil {
			var unknown *unknownOperator
			if !errors.As(err, &unknown) {
				return Result{}, err
			}
			if !e.explain {
				return Result{}, &UnknownOperatorError{Rule: e.rule.Ref, Key: unknown.key, Operator: unknown.name}
			}
			c.Problem = &Problem{Rule: e.rule.Ref, Key: c.Key, Stage: StageOperator, Err: err}
		}
		if e.explain {
			result.Criteria = append(result.Criteria, c)
		}
		if !c.Holds {
			if result.Reason == Matched {
				result.Reason = NotMet
			}
			if !e.explain {
				break
			}
		}
	}
	if result.Reason == Matched && e.rule.when != nil {
		holds, err := e.rule.when.Holds(ctx, e.payload.patternNames())
		if err != nil {
			e.problems = append(e.problems, Problem{Rule: e.rule.Ref, Stage: StageWhen, Err: err})
		}
		if !holds || err != nil {
			result.Reason = WhenNotMet
		}
	}
	result.Problems = e.problems
	return result, ctx.Err()
}

// scope is what keys and patterns see: the payload, or the item of a search.
type scope struct {
	name  string
	item  any
	event *Event
	root  *value.Dict
	names map[string]any
}

func (e *session) newScope(name string, item any) *scope {
	s := &scope{name: name, item: item, event: &e.event, root: value.NewDict(1)}
	s.root.SetString(name, item)
	return s
}

// patternNames are made when the first pattern with a template asks.
func (s *scope) patternNames() map[string]any {
	if s.names == nil {
		s.names = make(map[string]any, len(s.event.Names)+1)
		for name, v := range s.event.Names {
			s.names[name] = v
		}
		s.names[s.name] = s.item
	}
	return s.names
}

// unknownOperator ends the evaluation of the criterion around it: of the whole rule, or of a search.
type unknownOperator struct{ key, name string }

func (e *unknownOperator) Error() string { return fmt.Sprintf("there is no operator %q", e.name) }

// testShared evaluates a criterion of the rule, or takes over what it came to for another rule on the same event.
func (e *evaluation) testShared(ctx context.Context, i int) (Criterion, error) {
	c := &e.rule.criteria[i]
	if e.numbers == nil || e.numbers[i] < 0 {
		return e.test(ctx, c, e.payload)
	}
	known := &e.outcomes[e.numbers[i]]
	if *known != notTested {
		return Criterion{Key: c.key, Type: c.typ, Holds: *known == verdictYes}, nil
	}
	out, err := e.test(ctx, c, e.payload)
	if err != nil || out.Problem != nil || len(e.problems) > 0 {
		return out, err // a problem is told of every rule that has it
	}
	*known = verdictNo
	if out.Holds {
		*known = verdictYes
	}
	return out, nil
}

// test evaluates one criterion: the pattern is rendered, the key looked up, the operator applied. A problem in any of them means no.
func (e *evaluation) test(ctx context.Context, c *criterion, s *scope) (Criterion, error) {
	out := Criterion{Key: c.key, Type: c.typ, Pattern: c.pattern}
	if !c.hasType {
		return out, nil
	}
	failed := func(stage Stage, err error) (Criterion, error) {
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		p := Problem{Rule: e.rule.Ref, Key: c.key, Stage: stage, Err: err}
		if stage == StagePattern {
			p.Pattern, _ = c.pattern.(string)
		}
		e.problems = append(e.problems, p)
		out.Problem = &p
		return out, nil
	}
	if !c.static {
		rendered, err := e.render(ctx, c.pattern.(string), s)
		if err != nil {
			return failed(StagePattern, err)
		}
		out.Pattern = rendered
	}
	if c.pathErr != nil {
		return failed(StageKey, c.pathErr)
	}
	found, err := e.find(ctx, c, s)
	if err != nil {
		return failed(StageKey, err)
	}
	out.Value = found
	if c.prepare == nil {
		return out, &unknownOperator{key: c.key, name: c.typ}
	}
	if c.search {
		out.Holds, out.Items, err = e.search(ctx, c, out.Pattern, out.Value)
	} else {
		apply := c.test
		if apply == nil {
			apply = c.prepare(out.Pattern)
		}
		out.Holds, err = apply(environment{now: e.rule.options.Now}, out.Value)
	}
	if err != nil {
		out.Holds = false
		return failed(StageOperator, err)
	}
	return out, nil
}

// find looks the key up; nil stands for null and for nothing alike.
func (e *evaluation) find(ctx context.Context, c *criterion, s *scope) (any, error) {
	if c.systemKey != "" {
		if e.event.System == nil {
			return nil, nil
		}
		text, ok, err := e.event.System(ctx, c.systemKey)
		if err != nil || !ok {
			return nil, err
		}
		return text, nil
	}
	found, ok, err := c.path.First(s.root)
	if err != nil || !ok {
		return nil, err
	}
	return found, nil
}

func (e *evaluation) render(ctx context.Context, pattern string, s *scope) (any, error) {
	if e.rule.options.Renderer == nil {
		return nil, errors.New("there is nothing to render it")
	}
	return e.rule.options.Renderer.Typed(ctx, pattern, s.patternNames())
}
