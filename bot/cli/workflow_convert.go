package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"petrel/engine/expression"
	"petrel/engine/workflow"
	"petrel/engine/workflow/mistral"
)

func (a *app) workflowConvertCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "convert FILE",
		Short: "Write a Mistral v2 workflow as an Orquesta workflow",
		Long: `Reads a Mistral v2 workflow and prints it as an Orquesta workflow. What has no
equivalent, and what a person should look at, is listed on standard error; the
exit code is 1 when something could not be converted.`,
		Example: "  petrel workflow convert mistral/deploy.yaml -o actions/workflows/deploy.yaml",
		Args:    exactArgs(1, "the Mistral file"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.convert(args[0], out) },
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`file` to write instead of standard output")
	return cmd
}

func (a *app) convert(name, to string) error {
	text, err := a.readFile(name)
	if err != nil {
		return err
	}
	converted, notes, err := mistral.Convert(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	lost := false
	for _, n := range notes {
		fmt.Fprintf(a.err, "%s: %s\n", name, n)
		lost = lost || n.Lost
	}
	def, err := workflow.Parse(to, converted)
	if err != nil {
		return fmt.Errorf("the result cannot be read: %w", err)
	}
	for _, p := range def.Inspect(expression.New(expression.Options{}), "st2", "parent") {
		fmt.Fprintf(a.err, "the result: %s\n", p)
		lost = true
	}
	if to == "" {
		_, err = a.out.Write(converted)
	} else {
		err = os.WriteFile(to, converted, 0o640)
	}
	if err == nil && lost {
		return errSilent
	}
	return err
}
