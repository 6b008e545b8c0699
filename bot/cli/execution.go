package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"petrel/engine/pipeline"
)

func (a *app) executionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "execution", Short: "Look at executions",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	asJSON := false
	why := &cobra.Command{
		Use: "why ID", Short: "Say what an execution waits for, and its place in line, or why it ended as it did",
		Args: exactArgs(1, "the execution"), RunE: func(cmd *cobra.Command, args []string) error { return a.why(cmd.Context(), args[0], asJSON) },
	}
	why.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	cmd.AddCommand(why, a.executionGetCommand())
	return cmd
}

func (a *app) why(ctx context.Context, id string, asJSON bool) error {
	var y pipeline.Why
	body, err := a.ask(ctx, "/api/v1/executions/"+url.PathEscape(id)+"/why", &y)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(json.RawMessage(body))
	}
	fmt.Fprintf(a.out, "%s of %s is %s. %s\n", y.ID, y.Action, y.Status, y.Summary)
	if y.Rule != "" {
		fmt.Fprintf(a.out, "The rule %s started it on trigger instance %s.\n", y.Rule, y.TriggerInstance)
	}
	if y.Retries != nil {
		fmt.Fprintf(a.out, "It is try %d of %s, by the policy %s.\n", y.Retries.Count, y.Retries.Execution, y.Retries.Policy)
	}
	return nil
}

// ask asks the server and reads its answer into v.
func (a *app) ask(ctx context.Context, path string, v any) ([]byte, error) {
	cfg, err := a.load(nil)
	if err != nil {
		return nil, err
	}
	body, err := get(ctx, cfg, path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return nil, fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return body, nil
}
