// Package cli is the command line, one file a command group. It reads flags and
// prints; the work is done elsewhere.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"petrel/config"
)

// Exit codes of the program.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for failed
	exitUsage  = 2 // it was asked for in the wrong way
)

// app is what the commands share.
type app struct {
	in       io.Reader
	out, err io.Writer
	config   string // --config
	dataDir  string // --data-dir
}

// errSilent ends the program with exitFailed; why was said already.
var errSilent = errors.New("failed")

// usageError is a mistake in how a command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Main runs the program and returns its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, err: errOut}
	root := a.root()
	root.SetArgs(args)
	// A second signal kills at once: the first one's handler is gone by then.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	defer stop()
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSilent):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "petrel: %v\n", err)
		return exitUsage
	default:
		fmt.Fprintf(errOut, "petrel: %v\n", err)
		return exitFailed
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "petrel",
		Short: "StackStorm for chat, in one program",
		Long: `Petrel runs actions that people ask for in chat, that webhooks and timers set
off, and answers where it was asked.

Without a command it serves: chat, webhooks, timers and workers in one process,
with its state in ./data. On a terminal it opens a chat prompt as well; try

  !help
  !run date on localhost`,
		Args:          func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), serveOptions{}) },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.PersistentFlags().StringVarP(&a.config, "config", "c", "", "configuration file (default: petrel.yaml in this folder, if there is one)")
	root.PersistentFlags().StringVar(&a.dataDir, "data-dir", "", "folder for everything the program writes (default: ./data)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		a.serveCommand(),
		a.chatCommand(),
		a.configCommand(),
		a.storeCommand(),
		a.packCommand(),
		a.keyCommand(),
		a.nodeCommand(),
		a.aliasCommand(),
		a.doctorCommand(),
		a.webhookCommand(),
		a.sensorCommand(),
		newEvalCommand(a.fetchExecution),
		a.workflowCommand(),
		a.inquiryCommand(),
		a.executionCommand(),
		a.ruleCommand(),
		a.triggerInstanceCommand(),
		a.timerCommand(),
		a.traceCommand(),
		a.benchCommand(),
	)
	return root
}

func noSuchCommand(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError{fmt.Errorf("there is no command %q; see petrel --help", args[0])}
}

// load returns the effective configuration. Flags are keys and their values.
func (a *app) load(flags map[string]string) (*config.Config, error) {
	set := map[string]string{}
	maps.Copy(set, flags)
	if a.dataDir != "" {
		set["data_dir"] = a.dataDir
	}
	cfg, err := config.Load(config.LoadOptions{Path: a.config, Env: os.Environ(), Set: set})
	var problems config.Problems
	if errors.As(err, &problems) {
		return nil, usageError{err}
	}
	return cfg, err
}
