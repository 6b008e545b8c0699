package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"petrel/bot/server"
	"petrel/store"
	"petrel/store/sqlite"
)

func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "store", Short: "Back up and check what is stored",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	cmd.AddCommand(a.storeBackupCommand(), a.storeCheckCommand(), a.storeCopyCommand())
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
			path, ok := cfg.SQLitePath()
			if !ok {
				return errRedisOwn
			}
			if err := sqlite.Backup(cmd.Context(), path, args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s holds a copy of %s\n", args[0], path)
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
			path, ok := cfg.SQLitePath()
			if !ok {
				return errRedisOwn
			}
			r, err := sqlite.Check(cmd.Context(), path)
			if err != nil {
				return err
			}
			for _, p := range r.Problems {
				fmt.Fprintln(a.out, p)
			}
			fmt.Fprintf(a.out, "%s: schema %d, %d bytes; %d documents, %d queue items, %d events, %d delivery IDs, %d large results\n",
				path, r.Schema, r.Bytes, r.Documents, r.Items, r.Events, r.Claims, r.Blobs)
			if len(r.Problems) > 0 {
				return fmt.Errorf("%d problems found; restore the last backup", len(r.Problems))
			}
			return nil
		},
	}
}

// errRedisOwn: this is a matter of the Redis server itself.
var errRedisOwn = errors.New("the store is a Redis; back it up and check it with its own tools (see docs/operations.md)")

func (a *app) storeCopyCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "copy --from URL --to URL",
		Short: "Move an installation to another, empty store",
		Long: `Copies everything to another store, which must be empty. No process may run on
either store meanwhile. What waits in the queues goes along and is taken off the
source, so that it cannot happen twice; the source keeps its records.

  petrel store copy --from sqlite:data/petrel.db --to redis://127.0.0.1:6379/0`,
		Args: exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" || to == "" {
				return usageError{errors.New("petrel store copy needs --from and --to")}
			}
			return a.copyStore(cmd.Context(), from, to)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "store to copy, such as sqlite:data/petrel.db")
	cmd.Flags().StringVar(&to, "to", "", "empty store to copy to, such as redis://127.0.0.1:6379/0")
	return cmd
}

func (a *app) copyStore(ctx context.Context, from, to string) (err error) {
	log := slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if path, ok := strings.CutPrefix(from, "sqlite:"); ok {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("--from: %w", err)
		}
	}
	source, err := server.OpenURL(ctx, from, "full", log)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := server.OpenURL(ctx, to, "full", log)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if !strings.HasPrefix(from, "sqlite:") { // that one is ours alone by now
		if err := nobodyRuns(ctx, source); err != nil {
			return err
		}
	}
	copied, err := server.Copy(ctx, source, target, func(what string, n int) { fmt.Fprintf(a.err, "%8d %s\n", n, what) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "copied %d documents, %d large results, %d waiting items\n", copied.Documents, copied.Results, copied.Items)
	return err
}

// nobodyRuns fails when a process runs on a store.
func nobodyRuns(ctx context.Context, b store.Backend) error {
	nodes, err := server.Nodes(ctx, b)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Alive(time.Now()) {
			return fmt.Errorf("the process %s (pid %d on %s) runs on the store to copy; stop it first", n.Name, n.PID, n.Host)
		}
	}
	return nil
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
