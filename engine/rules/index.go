package rules

import (
	"context"
	"slices"
	"strings"

	"petrel/engine/expression/value"
)

// Index holds compiled rules by trigger. It is immutable; build a new one when a rule changes.
type Index struct {
	triggers map[string]*passes
	size     int
}

// passes are the rules of one trigger in the order they are tested.
type passes struct {
	standard, backstop []entry
	// distinct is the number of different criteria among them.
	distinct int
}

// entry is a rule with the numbers of its criteria. Rules of one trigger often ask the same, such as the type of the event; criteria that are
// alike have the same number and are tested once an event. -1: never shared.
type entry struct {
	rule    *Rule
	numbers []int
}

// NewIndex sorts rules by trigger, keeping their order otherwise.
func NewIndex(list []*Rule) *Index {
	x := &Index{triggers: map[string]*passes{}, size: len(list)}
	numbers := map[string]int{} // by trigger and criterion
	for _, r := range list {
		p := x.triggers[r.Trigger]
		if p == nil {
			p = &passes{}
			x.triggers[r.Trigger] = p
		}
		e := entry{rule: r}
		for _, c := range r.criteria {
			key, ok := c.fingerprint()
			if !ok {
				e.numbers = append(e.numbers, -1)
				continue
			}
			key = r.Trigger + "\x00" + key
			if _, known := numbers[key]; !known {
				numbers[key] = p.distinct
				p.distinct++
			}
			e.numbers = append(e.numbers, numbers[key])
		}
		if r.Type == Backstop {
			p.backstop = append(p.backstop, e)
		} else {
			p.standard = append(p.standard, e)
		}
	}
	return x
}

// fingerprint is equal for criteria with the same outcome whatever the event; false when the outcome depends on more than the event.
func (c criterion) fingerprint() (string, bool) {
	if !c.static || anyDynamic(c.children) {
		return "", false
	}
	pattern, err := value.AppendJSON(nil, c.pattern)
	if err != nil {
		return "", false
	}
	return strings.Join([]string{c.key, c.typ, c.condition, string(pattern)}, "\x00"), true
}

// Len returns the number of rules.
func (x *Index) Len() int { return x.size }

// Rules returns the rules of a trigger, standard ones first.
func (x *Index) Rules(trigger string) []*Rule {
	var list []*Rule
	if p := x.triggers[trigger]; p != nil {
		for _, e := range slices.Concat(p.standard, p.backstop) {
			list = append(list, e.rule)
		}
	}
	return list
}

// Outcome is what an event set off.
type Outcome struct {
	Matched  []*Rule   // in order; backstop rules only when no standard rule matched
	Problems []Problem // each is worth a failed enforcement of its rule
}

// Match tests an event against all rules of its trigger. Errors: *UnknownOperatorError, upon which nothing may be run, and the context's.
func (x *Index) Match(ctx context.Context, trigger string, event Event) (Outcome, error) {
	p := x.triggers[trigger]
	if p == nil {
		return Outcome{}, nil
	}
	var out Outcome
	shared := newSession(event, p.distinct)
	if err := out.test(ctx, p.standard, shared); err != nil {
		return Outcome{}, err
	}
	if len(out.Matched) > 0 {
		return out, nil
	}
	if err := out.test(ctx, p.backstop, shared); err != nil {
		return Outcome{}, err
	}
	return out, nil
}

func (o *Outcome) test(ctx context.Context, list []entry, shared *session) error {
	for _, entry := range list {
		e := evaluation{rule: entry.rule, session: shared, numbers: entry.numbers}
		result, err := e.run(ctx)
		if err != nil {
			return err
		}
		o.Problems = append(o.Problems, result.Problems...)
		if result.Matched() {
			o.Matched = append(o.Matched, entry.rule)
		}
	}
	return nil
}
