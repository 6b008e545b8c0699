package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/engine/workflow"
)

func (a *app) workflowGraphCommand() *cobra.Command {
	format := "text"
	cmd := &cobra.Command{
		Use:   "graph FILE|EXECUTION",
		Short: "Draw a workflow or an action chain, or how the one of an execution stands",
		Long: `Draws the tasks of a workflow and what leads to what. Given the ID of an execution,
the running server is asked how its tasks stand.`,
		Example: "  petrel workflow graph deploy.yaml --format mermaid\n  petrel workflow graph 6b0249c33da39346e446f072 --format svg > deploy.svg",
		Args:    exactArgs(1, "the workflow file or the execution"),
		RunE: func(cmd *cobra.Command, args []string) error {
			def, statuses, err := a.graphOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			g, err := def.Graph()
			if err != nil {
				return err
			}
			switch format {
			case "text":
				_, err = io.WriteString(a.out, g.Tree(statuses))
			case "mermaid":
				_, err = io.WriteString(a.out, g.Mermaid(statuses))
			case "svg":
				_, err = io.WriteString(a.out, g.SVG(statuses))
			default:
				return usageError{fmt.Errorf("unknown format %q: it is text, mermaid or svg", format)}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "text, mermaid or svg")
	return cmd
}

// graphOf reads a workflow file, or asks for that of an execution and how its tasks
// stand.
func (a *app) graphOf(ctx context.Context, name string) (*workflow.Definition, workflow.Statuses, error) {
	if _, err := os.Stat(name); err == nil || !engine.ValidID(name) {
		f, err := a.readWorkflow(name)
		return f.def, nil, err
	}
	cfg, err := a.load(nil)
	if err != nil {
		return nil, nil, err
	}
	body, err := get(ctx, cfg, "/api/v1/executions/"+name+"/workflow")
	if err != nil {
		return nil, nil, err
	}
	var v pipeline.WorkflowView
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, nil, fmt.Errorf("the answer of the server: %w", err)
	}
	def, err := pipeline.ReadDefinition(v.Runner, v.Name, []byte(v.Text))
	return def, func(task string) workflow.Status { return v.Tasks[task] }, err
}
