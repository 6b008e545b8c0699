package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"petrel/engine"
	"petrel/engine/pipeline"
)

// deepest is how far down sub-workflows are shown.
const deepest = 8

func (a *app) executionGetCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "get ID", Short: "Show an execution; of a workflow, its tasks with their states and durations",
		Args: exactArgs(1, "the execution"), RunE: func(cmd *cobra.Command, args []string) error {
			return a.getExecution(cmd.Context(), args[0], asJSON)
		},
	}
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

// shownExecution is what is shown of an execution.
type shownExecution struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Action struct {
		Ref    string `json:"ref"`
		Runner string `json:"runner_type"`
	} `json:"action"`
	Parameters json.RawMessage `json:"parameters"`
	Result     json.RawMessage `json:"result"`
	Start      string          `json:"start_timestamp"`
	End        string          `json:"end_timestamp"`
	Elapsed    float64         `json:"elapsed_seconds"`
	Context    struct {
		User string `json:"user"`
	} `json:"context"`
}

func (a *app) getExecution(ctx context.Context, id string, asJSON bool) error {
	var e shownExecution
	body, err := a.ask(ctx, "/api/v1/executions/"+url.PathEscape(id), &e)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(json.RawMessage(body))
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "id\t%s\naction\t%s\nstatus\t%s\nuser\t%s\nstarted\t%s\n", e.ID, e.Action.Ref, e.Status, e.Context.User, e.Start)
	if e.End != "" {
		fmt.Fprintf(w, "ended\t%s (%s)\n", e.End, seconds(e.Elapsed))
	}
	fmt.Fprintf(w, "parameters\t%s\n", e.Parameters)
	if err := w.Flush(); err != nil {
		return err
	}
	if engine.Conducted(e.Action.Runner) {
		fmt.Fprintln(a.out, "tasks")
		if err := a.printTasks(ctx, e.ID, 1); err != nil {
			return err
		}
	}
	if len(e.Result) > 0 && string(e.Result) != "null" {
		var pretty strings.Builder
		enc := json.NewEncoder(&pretty)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(e.Result); err != nil {
			return fmt.Errorf("the result: %w", err)
		}
		fmt.Fprintf(a.out, "result\n%s", pretty.String())
	}
	return nil
}

// printTasks prints the tasks of a workflow in the order in which they began, those
// of sub-workflows below theirs.
func (a *app) printTasks(ctx context.Context, id string, depth int) error {
	var v pipeline.WorkflowView
	if _, err := a.ask(ctx, "/api/v1/executions/"+url.PathEscape(id)+"/workflow", &v); err != nil {
		if depth > 1 {
			return nil // it is no workflow, or has not begun
		}
		return err
	}
	slices.SortStableFunc(v.Runs, func(x, y pipeline.TaskExecution) int { return x.StartTimestamp.Compare(y.StartTimestamp) })
	for _, t := range v.Runs {
		took := "-"
		if t.EndTimestamp != nil {
			took = seconds(t.EndTimestamp.Sub(t.StartTimestamp).Seconds())
		}
		what := t.Execution
		if t.Itemized {
			what = fmt.Sprintf("%d items", t.ItemsCount)
		}
		fmt.Fprintf(a.out, "%s%-*s  %-10s %8s  %s\n", strings.Repeat("  ", depth), 30-2*depth, t.TaskID, t.Status, took, what)
		if t.Execution != "" && depth < deepest {
			if err := a.printTasks(ctx, t.Execution, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
