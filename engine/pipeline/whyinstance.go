package pipeline

import (
	"context"
	"fmt"
	"strings"

	"petrel/store"
)

// maxWhyRules bounds the rules that WhyInstance tells of.
const maxWhyRules = 20

// WhyInstance says, a line a rule, what the rules of its trigger made of an event: as
// recorded, of those that matched; of the others as tested now. Values are not told.
// It fails with NotFound.
func (s *Service) WhyInstance(ctx context.Context, id string) (string, error) {
	inst, err := s.instanceOf(ctx, id)
	if err != nil {
		return "", err
	}
	lines := []string{fmt.Sprintf("%s at %s: %s", triggerName(inst.Trigger, inst.Key), inst.OccurrenceTime.UTC().Format(viewTime), inst.Status)}
	if inst.Problem != "" {
		lines = append(lines, s.masker.Text(inst.Problem))
	}
	docs, _, err := Enforcements.List(ctx, s.store, store.Query{Index: "instance", Value: id, Limit: maxWhyRules})
	if err != nil {
		return "", err
	}
	told := map[string]bool{}
	for _, d := range docs {
		f := d.Value
		told[f.Rule.Ref] = true
		if f.ExecutionID != "" && f.FailureReason == "" {
			lines = append(lines, f.Rule.Ref+" matched: execution "+f.ExecutionID)
			continue
		}
		lines = append(lines, f.Rule.Ref+" failed: "+s.masker.Text(f.FailureReason))
	}
	for _, rule := range s.current().content.Rules() {
		key, err := rule.Trigger.Key()
		if err != nil || told[rule.Ref] || triggerName(rule.Trigger.Type, key) != triggerName(inst.Trigger, inst.Key) {
			continue
		}
		if len(lines) > maxWhyRules {
			lines = append(lines, "... and more")
			break
		}
		t, err := s.TryRule(ctx, *rule, inst)
		if err != nil {
			return "", err
		}
		lines = append(lines, rule.Ref+": "+t.inWords())
	}
	if len(lines) == 1 {
		lines = append(lines, "No rule waits for this trigger.")
	}
	return strings.Join(lines, "\n"), nil
}

// inWords says in a few words how a trial came out.
func (t *RuleTrial) inWords() string {
	switch {
	case t.Matched:
		return "would match now; it did not when the event came in, or only as a backstop"
	case t.Reason != "criteria":
		return "no match (" + t.Reason + ")"
	}
	for _, c := range t.Criteria {
		if c.Problem != "" {
			return fmt.Sprintf("no match: %s %s cannot be tested: %s", c.Key, c.Type, c.Problem)
		}
		if !c.Holds {
			return fmt.Sprintf("no match: %s %s does not hold", c.Key, c.Type)
		}
	}
	return "no match"
}
