package cli

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"

	"github.com/spf13/cobra"

	"petrel/bot/bench"
)

func (a *app) benchCommand() *cobra.Command {
	o := bench.Options{}
	var profile string
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this program on this machine and print the figures as JSON",
		Long: `Runs a whole server in this process, on a store of its own or an empty one that
is named, and measures throughput and latencies from outside.

  petrel bench
  petrel bench --store redis://127.0.0.1:6379/15`,
		Args: exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.bench(cmd.Context(), o, profile) },
	}
	cmd.Flags().StringVar(&o.Store, "store", "", "an empty store (default: a new SQLite file)")
	cmd.Flags().StringVar(&o.Synchronous, "synchronous", "full", "SQLite: full or normal")
	cmd.Flags().StringVar(&profile, "cpuprofile", "", "write a CPU profile of this process to `file` (read it with go tool pprof)")
	cmd.Flags().IntVar(&o.Events, "events", 10_000, "webhooks to drain")
	cmd.Flags().IntVar(&o.Senders, "senders", 64, "connections that post them")
	cmd.Flags().IntVar(&o.Processes, "processes", 1, "processes that share the work; more than one needs Redis")
	cmd.Flags().IntVar(&o.Memory, "memory", 0, "executions to queue, and then finish, for the memory figures")
	cmd.Flags().BoolVar(&o.FlowsOnly, "workflows", false, "measure workflows only")
	cmd.Flags().IntVar(&o.Commands, "commands", 500, "commands to answer for each latency")
	return cmd
}

func (a *app) bench(ctx context.Context, o bench.Options, profile string) error {
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	defer ballast()()
	o.Log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if o.Store == "" {
		dir, err := os.MkdirTemp("", "petrel-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.Store = "sqlite:" + filepath.Join(dir, "petrel.db")
	}
	report, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(a.out)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
