package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"petrel/config"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Look at the configuration", Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) }}
	cmd.AddCommand(&cobra.Command{
		Use:   "print",
		Short: "Print the effective configuration, secrets masked",
		Args:  exactArgs(0, ""),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load(nil)
			if err != nil {
				return err
			}
			return cfg.Print(a.out)
		},
	}, &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a configuration file",
		Args:  exactArgs(1, "the configuration file"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := config.Check(args[0]); err != nil {
				return usageError{err}
			}
			_, err := fmt.Fprintf(a.out, "%s is in order\n", args[0])
			return err
		},
	})
	return cmd
}
