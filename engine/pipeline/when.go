package pipeline

import (
	"context"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/exprlang"
	"petrel/engine/rules"
)

// CheckWhen says what is wrong with the `when` of a rule, such as a name that
// its trigger does not have; nil when nothing is.
func CheckWhen(r *expression.Renderer, rule *engine.Rule) error {
	if rule.When == "" {
		return nil
	}
	return r.CheckExpr(rule.When, whenNames(rule.Trigger.Type))
}

// whenNames is what a `when` may use, as far as it is known of a trigger type.
func whenNames(trigger string) exprlang.Schema {
	payload := exprlang.Any()
	record := func(texts []string, others ...string) exprlang.Shape {
		fields := map[string]exprlang.Shape{}
		for _, name := range texts {
			fields[name] = exprlang.Text()
		}
		for _, name := range others {
			fields[name] = exprlang.Any()
		}
		return exprlang.Record(fields)
	}
	switch trigger {
	case engine.TriggerWebhook:
		payload = record(nil, "headers", "headers_lower", "body")
	case engine.TriggerIntervalTimer, engine.TriggerDateTimer, engine.TriggerCronTimer:
		payload = record([]string{"executed_at"}, "schedule")
	case engine.TriggerNotify:
		payload = record([]string{"execution_id", "status", "start_timestamp", "end_timestamp", "action_ref", "runner_ref", "channel", "route", "message"}, "data")
	case engine.TriggerChatForm:
		payload = record([]string{"form", "adapter", "message", "execution_id"}, "answers", "user", "channel", "data")
	case engine.TriggerChatMessage:
		payload = record([]string{"adapter", "delivery_id", "thread", "message", "text"}, "user", "channel")
	case engine.TriggerChatCommand:
		payload = record([]string{"adapter", "delivery_id", "thread", "message", "text", "alias", "format"}, "user", "channel", "hits")
	}
	return exprlang.Schema{"trigger": payload, "st2kv": exprlang.Any(), "system": exprlang.Any()}
}

// condition is a `when` as rules test it.
type condition struct {
	renderer *expression.Renderer
	source   string
}

// Holds implements rules.Condition.
func (c condition) Holds(ctx context.Context, names map[string]any) (bool, error) {
	return c.renderer.Condition(ctx, c.source, names)
}

// compileWhen is rules.Options.When for the rules of one trigger type.
func compileWhen(r *expression.Renderer, rule *engine.Rule) func(string) (rules.Condition, error) {
	return func(source string) (rules.Condition, error) {
		if err := CheckWhen(r, rule); err != nil {
			return nil, err
		}
		return condition{r, source}, nil
	}
}
