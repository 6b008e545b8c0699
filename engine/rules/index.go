package rules

import "context"

// Index holds compiled rules by trigger. It is immutable; build a new one when a rule changes.
type Index struct {
	triggers map[string]*passes
	size     int
}

// passes are the rules of one trigger in the order they are tested.
type passes struct{ standard, backstop []*Rule }

// NewIndex sorts rules by trigger, keeping their order otherwise.
func NewIndex(list []*Rule) *Index {
	x := &Index{triggers: map[string]*passes{}, size: len(list)}
	for _, r := range list {
		p := x.triggers[r.Trigger]
		if p == nil {
			p = &passes{}
			x.triggers[r.Trigger] = p
		}
		if r.Type == Backstop {
			p.backstop = append(p.backstop, r)
		} else {
			p.standard = append(p.standard, r)
		}
	}
	return x
}

// Len returns the number of rules.
func (x *Index) Len() int { return x.size }

// Rules returns the rules of a trigger, standard ones first.
func (x *Index) Rules(trigger string) []*Rule {
	p := x.triggers[trigger]
	if p == nil {
		return nil
	}
	return append(p.standard[:len(p.standard):len(p.standard)], p.backstop...)
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
	if err := out.test(ctx, p.standard, event); err != nil {
		return Outcome{}, err
	}
	if len(out.Matched) > 0 {
		return out, nil
	}
	if err := out.test(ctx, p.backstop, event); err != nil {
		return Outcome{}, err
	}
	return out, nil
}

func (o *Outcome) test(ctx context.Context, list []*Rule, event Event) error {
	for _, r := range list {
		result, err := r.Evaluate(ctx, event)
		if err != nil {
			return err
		}
		o.Problems = append(o.Problems, result.Problems...)
		if result.Matched() {
			o.Matched = append(o.Matched, r)
		}
	}
	return nil
}
