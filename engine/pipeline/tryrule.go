package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/rules"
	"petrel/store"
)

// RuleTrial is what a rule makes of an event, without doing it.
type RuleTrial struct {
	Rule            string           `json:"rule"`
	TriggerInstance string           `json:"trigger_instance,omitempty"`
	Matched         bool             `json:"matched"`
	Reason          string           `json:"reason"` // matched, disabled, trigger, empty_payload, criteria, when
	Criteria        []CriterionTrial `json:"criteria,omitempty"`
	Problems        []string         `json:"problems,omitempty"`
	Action          string           `json:"action"`
	// Parameters are those that the action would get, secret ones hidden; Problem is
	// why it would not be run although the rule matches.
	Parameters json.RawMessage `json:"parameters,omitempty"`
	Problem    string          `json:"problem,omitempty"`
}

// CriterionTrial is one criterion as it was tested.
type CriterionTrial struct {
	Key     string             `json:"key"`
	Type    string             `json:"type"`
	Pattern json.RawMessage    `json:"pattern"` // rendered
	Value   json.RawMessage    `json:"value"`   // what the key found; null also for nothing
	Holds   bool               `json:"holds"`
	Problem string             `json:"problem,omitempty"`
	Items   [][]CriterionTrial `json:"items,omitempty"` // of a search: each item of the list
}

// TryRule tests a rule on an event without any content but the rule itself.
func TryRule(ctx context.Context, r *expression.Renderer, rule *engine.Rule, inst *engine.TriggerInstance) (RuleTrial, error) {
	t := RuleTrial{Rule: rule.Ref, TriggerInstance: inst.ID, Action: rule.Action.Ref}
	compiled, trigger, err := compileRule(r, rule, time.Now)
	if err != nil {
		return t, err
	}
	if inst.Trigger != "" && triggerName(inst.Trigger, inst.Key) != trigger {
		t.Reason = "trigger"
		t.Problems = []string{fmt.Sprintf("the event is of trigger %s, the rule waits for %s", triggerName(inst.Trigger, inst.Key), trigger)}
		return t, nil
	}
	event, err := eventOf(ctx, r, inst)
	if err != nil {
		return t, err
	}
	result, err := compiled.Explain(ctx, event)
	if err != nil {
		return t, err
	}
	t.Matched, t.Reason = result.Matched(), string(result.Reason)
	t.Criteria = criterionTrials(result.Criteria)
	for _, p := range result.Problems {
		t.Problems = append(t.Problems, p.Error())
	}
	if t.Matched {
		t.render(ctx, r, rule, inst)
	}
	return t, nil
}

// render renders the parameters as far as that goes without the action's schema.
func (t *RuleTrial) render(ctx context.Context, r *expression.Renderer, rule *engine.Rule, inst *engine.TriggerInstance) {
	if len(rule.Action.Parameters) == 0 {
		t.Parameters = json.RawMessage("{}")
		return
	}
	rendered, err := r.Mapping(ctx, rule.Action.Parameters, expression.Names{"trigger": json.RawMessage(inst.Payload)})
	if err == nil {
		t.Parameters, err = value.AppendJSON(nil, rendered)
	}
	if err != nil {
		t.Problem = err.Error()
	}
}

func criterionTrials(list []rules.Criterion) []CriterionTrial {
	var trials []CriterionTrial
	for _, c := range list {
		one := CriterionTrial{Key: c.Key, Type: c.Type, Pattern: printed(c.Pattern), Value: printed(c.Value), Holds: c.Holds}
		if c.Problem != nil {
			one.Problem = c.Problem.Err.Error()
		}
		for _, item := range c.Items {
			one.Items = append(one.Items, criterionTrials(item))
		}
		trials = append(trials, one)
	}
	return trials
}

// printed is a value as JSON, in words when it has no such form.
func printed(v any) json.RawMessage {
	raw, err := value.AppendJSON(nil, v)
	if err != nil {
		raw, _ = json.Marshal(fmt.Sprint(v)) // a text always encodes
	}
	return raw
}

// compileRule prepares one rule and names its trigger.
func compileRule(r *expression.Renderer, rule *engine.Rule, now func() time.Time) (*rules.Rule, string, error) {
	key, err := rule.Trigger.Key()
	if err != nil {
		return nil, "", err
	}
	trigger := triggerName(rule.Trigger.Type, key)
	compiled, err := rules.Compile(rules.Definition{
		Ref: rule.Ref, Enabled: rule.Enabled, Type: rule.Type.Ref, Trigger: trigger, Criteria: rule.Criteria, When: rule.When,
	}, rules.Options{Renderer: patternRenderer{r}, Now: now, When: compileWhen(r, rule)})
	if err != nil {
		return nil, "", engine.Errorf(engine.Invalid, "the rule %s cannot be used: %v", rule.Ref, err)
	}
	return compiled, trigger, nil
}

// eventOf is an instance as rules see it.
func eventOf(ctx context.Context, r *expression.Renderer, inst *engine.TriggerInstance) (rules.Event, error) {
	payload, err := value.ParseJSON(inst.Payload)
	if err != nil {
		return rules.Event{}, engine.Errorf(engine.Invalid, "the payload is not valid JSON: %v", err)
	}
	stored := r.Stored(ctx, "system")
	return rules.Event{
		Payload: payload, System: r.SystemItem,
		Names: map[string]any{"system": stored, "st2kv": value.DictOf("system", stored)},
	}, nil
}

// TryRule tests a rule on an event; nothing is run or recorded. rule is complete, or
// only its Ref is set: then it is the registered one. Of inst the same goes for ID and
// the record.
func (s *Service) TryRule(ctx context.Context, rule engine.Rule, inst engine.TriggerInstance) (RuleTrial, error) {
	if err := s.known(&rule); err != nil {
		return RuleTrial{}, err
	}
	if inst.ID != "" && len(inst.Payload) == 0 {
		var err error
		if inst, err = s.instanceOf(ctx, inst.ID); err != nil {
			return RuleTrial{}, err
		}
	}
	if len(inst.Payload) == 0 {
		inst.Payload = json.RawMessage("{}")
	}
	t, err := TryRule(ctx, s.renderer, &rule, &inst)
	if err != nil || !t.Matched {
		return s.hideTrial(t), err
	}
	e, rejected := s.prepare(ctx, Request{
		ID: engine.DeriveID(inst.ID, "trial"), Action: rule.Action.Ref, Parameters: rule.Action.Parameters,
		Context: engine.Context{User: SystemUser, TriggerInstance: &engine.NamedRef{ID: inst.ID}, Rule: &engine.NamedRef{ID: rule.ID, Name: rule.Name}},
		Names:   expression.Names{"trigger": json.RawMessage(inst.Payload)},
	})
	t.Problem = ""
	switch {
	case rejected != nil:
		t.Problem = rejected.Error()
	default:
		t.Parameters = s.MaskedParameters(e)
	}
	return s.hideTrial(t), nil
}

// known completes a rule of which only the ref is given.
func (s *Service) known(rule *engine.Rule) error {
	if rule.Trigger.Type != "" {
		return nil
	}
	for _, r := range s.current().content.Rules() {
		if r.Ref == rule.Ref {
			*rule = *r
			return nil
		}
	}
	return engine.Errorf(engine.NotFound, "there is no rule %q", rule.Ref)
}

// hideTrial hides secret texts.
func (s *Service) hideTrial(t RuleTrial) RuleTrial {
	if len(t.Parameters) > 0 {
		t.Parameters = s.masker.JSON(t.Parameters)
	}
	var hide func([]CriterionTrial)
	hide = func(list []CriterionTrial) {
		for i := range list {
			list[i].Pattern, list[i].Value = s.masker.JSON(list[i].Pattern), s.masker.JSON(list[i].Value)
			list[i].Problem = s.masker.Text(list[i].Problem)
			for _, item := range list[i].Items {
				hide(item)
			}
		}
	}
	hide(t.Criteria)
	t.Problem = s.masker.Text(t.Problem)
	for i := range t.Problems {
		t.Problems[i] = s.masker.Text(t.Problems[i])
	}
	return t
}

// Backtest is what a rule would have made of the events on record.
type Backtest struct {
	Rule    string         `json:"rule"`
	Since   time.Time      `json:"since"`
	Tested  int            `json:"tested"`  // events of the rule's trigger
	Matches int            `json:"matches"` // of which it would have matched
	Failed  int            `json:"failed"`  // that could not be tested
	List    []BacktestItem `json:"list"`    // the first maxBacktest that match or failed
}

// BacktestItem is one event.
type BacktestItem struct {
	TriggerInstance string    `json:"trigger_instance"`
	OccurrenceTime  time.Time `json:"occurrence_time"`
	Matched         bool      `json:"matched"`
	Problem         string    `json:"problem,omitempty"`
}

// maxBacktest bounds Backtest.List.
const maxBacktest = 1000

// Backtest tests a rule on the events on record since a time, oldest first. Nothing
// is run or recorded; that rule is taken as enabled.
func (s *Service) Backtest(ctx context.Context, rule engine.Rule, since time.Time) (Backtest, error) {
	if err := s.known(&rule); err != nil {
		return Backtest{}, err
	}
	rule.Enabled = true
	t := Backtest{Rule: rule.Ref, Since: since, List: []BacktestItem{}}
	var at time.Time // what is now for the rule: when the event happened
	compiled, trigger, err := compileRule(s.renderer, &rule, func() time.Time { return at })
	if err != nil {
		return t, err
	}
	q := store.Query{Index: "trigger", Value: rule.Trigger.Type, From: sortTime(since), Limit: 200}
	for {
		docs, next, err := Instances.List(ctx, s.store, q)
		if err != nil {
			return t, err
		}
		for i := range docs {
			inst := &docs[i].Value
			if triggerName(inst.Trigger, inst.Key) != trigger {
				continue
			}
			t.Tested++
			at = inst.OccurrenceTime
			item := BacktestItem{TriggerInstance: inst.ID, OccurrenceTime: inst.OccurrenceTime}
			if item.Matched, item.Problem, err = s.tryOne(ctx, compiled, inst); err != nil {
				return t, err
			}
			if item.Matched {
				t.Matches++
			}
			if item.Problem != "" {
				t.Failed++
			}
			if (item.Matched || item.Problem != "") && len(t.List) < maxBacktest {
				t.List = append(t.List, item)
			}
		}
		if q.After = next; next == "" {
			return t, nil
		}
	}
}

func (s *Service) tryOne(ctx context.Context, rule *rules.Rule, inst *engine.TriggerInstance) (matched bool, problem string, err error) {
	event, err := eventOf(ctx, s.renderer, inst)
	if err != nil {
		return false, err.Error(), nil
	}
	result, err := rule.Evaluate(ctx, event)
	var unknown *rules.UnknownOperatorError
	if errors.As(err, &unknown) {
		return false, err.Error(), nil
	}
	if err != nil {
		return false, "", err
	}
	if len(result.Problems) > 0 {
		problem = s.masker.Text(result.Problems[0].Error())
	}
	return result.Matched(), problem, nil
}
