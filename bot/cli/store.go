package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"petrel/store/sqlite"
)

func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "store", Short: "Back up and check what is stored",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	cmd.AddCommand(a.storeBackupCommand(), a.storeCheckCommand())
	return cmd
}

func (a *app) storeBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the store to a new file, while the server runs or not",
		Long: `Writes the state of one moment to FILE, which must not exist yet: complete and
compact. To restore it, stop the server, put it in the place of the store's file
(petrel.db in the data folder) and remove the files ending in -wal and -shm.`,
		Args: exactArgs(1, "the file to write"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(nil)
			if err != nil {
				return err
			}
			if err := sqlite.Backup(cmd.Context(), cfg.SQLitePath(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s holds a copy of %s\n", args[0], cfg.SQLitePath())
			return err
		},
	}
}

func (a *app) storeCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Read the whole store and say what is wrong with it",
		Args:  exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(nil)
			if err != nil {
				return err
			}
			r, err := sqlite.Check(cmd.Context(), cfg.SQLitePath())
			if err != nil {
				return err
			}
			for _, p := range r.Problems {
				fmt.Fprintln(a.out, p)
			}
			fmt.Fprintf(a.out, "%s: schema %d, %d bytes; %d documents, %d queue items, %d events, %d delivery IDs, %d large results\n",
				cfg.SQLitePath(), r.Schema, r.Bytes, r.Documents, r.Items, r.Events, r.Claims, r.Blobs)
			if len(r.Problems) > 0 {
				return fmt.Errorf("%d problems found; restore the last backup", len(r.Problems))
			}
			return nil
		},
	}
}

// exactArgs refuses another number of arguments and says what they are.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == n:
			return nil
		case n == 0:
			return usageError{fmt.Errorf("%s takes no arguments, but got %q", cmd.CommandPath(), args)}
		case len(args) < n:
			return usageError{errors.New(cmd.CommandPath() + " needs " + what)}
		default:
			return usageError{fmt.Errorf("%s takes only %s, but got %q", cmd.CommandPath(), what, args)}
		}
	}
}
