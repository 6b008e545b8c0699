package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/pipeline"
	"petrel/packs"
)

// ruleTest is what `rule test` is asked.
type ruleTest struct {
	instance, payload string
	asJSON            bool
}

func (a *app) ruleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rule", Short: "Find out what rules match",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	var o ruleTest
	test := &cobra.Command{
		Use:   "test RULE (--instance ID | --payload FILE)",
		Short: "Say why a rule matches an event or does not, and what it would run",
		Long: `Tests a rule, a ref or a file, on an event of the past or on the payload in a file:
JSON or YAML, either the payload itself or {trigger: REF, payload: ...}. Each criterion
is shown with the value that was found, the pattern and the outcome. Nothing is run.

A rule in a file counts as enabled. A file and a payload are tested without a server;
the datastore is empty then.

Exit code 0: the rule matches. 1: it does not, or its action's parameters cannot be
rendered. 2: the command was used wrongly.`,
		Example: "  petrel rule test mypack.on_push --instance 6b0249c33da39346e446f072\n  petrel rule test rules/on_push.yaml --payload push.json",
		Args:    exactArgs(1, "the rule"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.testRule(cmd.Context(), args[0], o) },
	}
	test.Flags().StringVar(&o.instance, "instance", "", "the ID of a trigger instance on record")
	test.Flags().StringVar(&o.payload, "payload", "", "a file with the payload")
	test.Flags().BoolVarP(&o.asJSON, "json", "j", false, "print JSON")
	since, asJSON := "7d", false
	backtest := &cobra.Command{
		Use:     "backtest RULE",
		Short:   "Say which events on record a rule would have matched",
		Long:    "Tests a rule, a ref or a file, on the recorded events of its trigger. Nothing is run.",
		Example: "  petrel rule backtest rules/on_push.yaml --since 7d",
		Args:    exactArgs(1, "the rule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.backtestRule(cmd.Context(), args[0], since, asJSON)
		},
	}
	backtest.Flags().StringVar(&since, "since", since, "how far to look back: 30m, 2h, 7d")
	backtest.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	cmd.AddCommand(test, backtest)
	return cmd
}

// ruleOf reads a rule from a file, or takes the text for a ref: rule is nil then.
func ruleOf(text string) (*engine.Rule, error) {
	body, err := os.ReadFile(text)
	if os.IsNotExist(err) && !strings.ContainsAny(text, "/\\") && !strings.HasSuffix(text, ".yaml") && !strings.HasSuffix(text, ".yml") {
		return nil, nil
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("the rule cannot be read: %w", err)}
	}
	rule, problems := packs.ReadRule(text, body, packs.Checks{})
	if rule == nil {
		words := make([]string, len(problems))
		for i, p := range problems {
			words[i] = p.String()
		}
		return nil, usageError{fmt.Errorf("the rule cannot be used:\n%s", strings.Join(words, "\n"))}
	}
	rule.Enabled, rule.Type.Ref = true, "standard"
	return rule, nil
}

// payloadOf reads the event in a file: {trigger, payload}, or the payload alone.
func payloadOf(path string) (trigger string, payload json.RawMessage, err error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return "", nil, usageError{fmt.Errorf("the payload cannot be read: %w", err)}
	}
	var v any
	if payload = body; !json.Valid(body) {
		if err := yaml.Unmarshal(body, &v); err != nil {
			return "", nil, usageError{fmt.Errorf("%s is neither JSON nor YAML: %w", path, err)}
		}
		if payload, err = json.Marshal(v); err != nil {
			return "", nil, usageError{fmt.Errorf("%s holds what JSON cannot: %w", path, err)}
		}
	}
	var whole map[string]json.RawMessage
	if json.Unmarshal(payload, &whole) == nil && len(whole) == 2 && whole["trigger"] != nil && whole["payload"] != nil {
		if err := json.Unmarshal(whole["trigger"], &trigger); err == nil {
			return trigger, whole["payload"], nil
		}
	}
	return "", payload, nil
}

func (a *app) testRule(ctx context.Context, name string, o ruleTest) error {
	if (o.instance == "") == (o.payload == "") {
		return usageError{fmt.Errorf("give either --instance or --payload")}
	}
	rule, err := ruleOf(name)
	if err != nil {
		return err
	}
	question := map[string]any{"ref": name, "trigger_instance": o.instance}
	if rule != nil {
		question["rule"] = rule
	}
	var t pipeline.RuleTrial
	if o.payload != "" {
		trigger, payload, err := payloadOf(o.payload)
		if err != nil {
			return err
		}
		if trigger != "" && rule != nil && trigger != rule.Trigger.Type {
			fmt.Fprintf(a.out, "%s does not match: the event is of trigger %s, the rule waits for %s.\n", rule.Ref, trigger, rule.Trigger.Type)
			return errSilent
		}
		if rule != nil {
			inst := &engine.TriggerInstance{Payload: payload}
			if t, err = pipeline.TryRule(ctx, expression.New(expression.Options{}), rule, inst); err != nil {
				return usageError{err}
			}
			return a.tellTrial(&t, o.asJSON)
		}
		question["payload"] = payload
	}
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	body, err := call(ctx, cfg, http.MethodPost, "/api/v1/rules/test", question)
	if err != nil {
		return usageError{err}
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return a.tellTrial(&t, o.asJSON)
}

// tellTrial prints the outcome and makes it the exit code.
func (a *app) tellTrial(t *pipeline.RuleTrial, asJSON bool) error {
	ok := t.Matched && t.Problem == ""
	if asJSON {
		if err := a.printJSON(t); err != nil {
			return err
		}
	} else {
		a.printTrial(t)
	}
	if !ok {
		return errSilent
	}
	return nil
}

func (a *app) printTrial(t *pipeline.RuleTrial) {
	a.printCriteria(t.Criteria, "")
	reasons := map[string]string{
		"disabled": "it is disabled", "trigger": "the event is of another trigger", "empty_payload": "there are criteria and the payload is empty",
		"criteria": "a criterion does not hold", "when": "its when does not hold",
	}
	for _, p := range t.Problems {
		fmt.Fprintf(a.out, "problem: %s\n", p)
	}
	if !t.Matched {
		fmt.Fprintf(a.out, "%s does not match: %s.\n", t.Rule, reasons[t.Reason])
		return
	}
	if t.Problem != "" {
		fmt.Fprintf(a.out, "%s matches, but %s cannot be run: %s\n", t.Rule, t.Action, t.Problem)
		return
	}
	fmt.Fprintf(a.out, "%s matches and would run %s with\n%s\n", t.Rule, t.Action, t.Parameters)
}

func (a *app) printCriteria(list []pipeline.CriterionTrial, indent string) {
	for _, c := range list {
		outcome := "no "
		if c.Holds {
			outcome = "yes"
		}
		fmt.Fprintf(a.out, "%s%s  %s %s\n%s     value   %s\n%s     pattern %s\n", indent, outcome, c.Key, c.Type, indent, c.Value, indent, c.Pattern)
		if c.Problem != "" {
			fmt.Fprintf(a.out, "%s     problem %s\n", indent, c.Problem)
		}
		for i, item := range c.Items {
			fmt.Fprintf(a.out, "%s     item %d\n", indent, i)
			a.printCriteria(item, indent+"       ")
		}
	}
}

func (a *app) backtestRule(ctx context.Context, name, since string, asJSON bool) error {
	from, err := sinceTime(since)
	if err != nil {
		return err
	}
	rule, err := ruleOf(name)
	if err != nil {
		return err
	}
	question := map[string]any{"ref": name, "since": from}
	if rule != nil {
		question["rule"] = rule
	}
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	body, err := call(ctx, cfg, http.MethodPost, "/api/v1/rules/backtest", question)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(json.RawMessage(body))
	}
	var t pipeline.Backtest
	if err := json.Unmarshal(body, &t); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	for _, item := range t.List {
		outcome := "matches"
		if !item.Matched {
			outcome = "cannot be tested: " + item.Problem
		}
		fmt.Fprintf(a.out, "%s  %s  %s\n", item.TriggerInstance, item.OccurrenceTime.Format(time.RFC3339), outcome)
	}
	fmt.Fprintf(a.out, "%s would have matched %d of %d events since %s; %d could not be tested.\n",
		t.Rule, t.Matches, t.Tested, t.Since.Local().Format(time.DateTime), t.Failed)
	return nil
}
