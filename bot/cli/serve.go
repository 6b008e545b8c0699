package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"petrel/adapters/terminal/prompt"
	"petrel/bot/server"
	"petrel/config"
)

type serveOptions struct {
	noChat bool
	set    map[string]string // configuration keys given as flags
}

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server: chat, webhooks, timers, workers",
		Long: `Runs everything in one process until it is told to stop (Ctrl-C, SIGTERM). On a
terminal it opens a chat prompt too, and the log goes to petrel.log in the data
folder meanwhile.`,
		Args: exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), o) },
	}
	o.set = map[string]string{}
	for _, f := range []struct{ flag, key, usage string }{
		{"store", "store.url", "where state lives, such as sqlite:./data/petrel.db"},
		{"listen", "http.listen", "address of the HTTP server, host:port"},
		{"node", "node", "name of this process among those that share a store"},
		{"roles", "roles", "what this process does: chat,api,rules,workers,sensors,timers (default: everything)"},
	} {
		cmd.Flags().Func(f.flag, f.usage, func(text string) error {
			o.set[f.key] = text
			return nil
		})
	}
	cmd.Flags().BoolVar(&o.noChat, "no-chat", false, "no chat prompt, also on a terminal")
	return cmd
}

// serve runs the server, with a prompt when there is a terminal.
func (a *app) serve(ctx context.Context, o serveOptions) error {
	cfg, err := a.load(o.set)
	if err != nil {
		return err
	}
	roles, err := server.ParseRoles(cfg.Roles)
	if err != nil {
		return usageError{err}
	}
	defer ballast()()
	if o.noChat || !roles.Has(server.RoleChat) || !a.onTerminal() {
		s, err := server.New(ctx, cfg, server.Options{Roles: roles, Now: clock(), Logger: newLogger(cfg, a.err, isTerminal(a.err))})
		if err != nil {
			return err
		}
		return s.Run(ctx)
	}
	log, closeLog, err := fileLogger(cfg)
	if err != nil {
		return err
	}
	defer closeLog()
	s, err := server.New(ctx, cfg, server.Options{Roles: roles, Now: clock(), Logger: log})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Petrel listens on http://%s, keeps its data in %s and logs to %s.\nSay !help to see what it can do; /help is about this prompt; Ctrl-D ends both.\n",
		s.HTTPAddr(), cfg.DataDir, filepath.Join(cfg.DataDir, logFile))
	_, err = a.converse(ctx, cfg, s, prompt.Options{})
	return err
}

// converse runs a server for the length of a conversation with it.
func (a *app) converse(ctx context.Context, cfg *config.Config, s *server.Server, o prompt.Options) (prompt.Outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		defer cancel()
		ended <- s.Run(ctx)
	}()
	outcome, err := a.prompt(ctx, cfg, o)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // told to stop, or the server did; its error says why
	}
	cancel()
	return outcome, errors.Join(<-ended, err)
}

// prompt talks to the server of the data folder until the input ends.
func (a *app) prompt(ctx context.Context, cfg *config.Config, o prompt.Options) (prompt.Outcome, error) {
	o.In, o.Out = a.in, a.out
	o.Files = filepath.Join(cfg.DataDir, "files")
	if o.Channel == "" {
		o.Channel = cfg.Chat.Terminal.DefaultChannel
	}
	o.Dial = func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", server.SocketPath(cfg.DataDir))
	}
	return prompt.Run(ctx, o)
}

// onTerminal reports whether a person sits in front of this program.
func (a *app) onTerminal() bool { return prompt.IsTerminal(prompt.Options{In: a.in, Out: a.out}) }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// logFile is where the log goes while a chat prompt has the terminal.
const logFile = "petrel.log"

// fileLogger opens the log in the data folder.
func fileLogger(cfg *config.Config) (_ *slog.Logger, closeLog func(), err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o750); err != nil {
		return nil, nil, fmt.Errorf("data_dir: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(cfg.DataDir, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, nil, fmt.Errorf("log: %w", err)
	}
	return newLogger(cfg, f, true), func() { f.Close() }, nil
}

// newLogger writes to w: text for people, JSON for machines.
func newLogger(cfg *config.Config, w io.Writer, people bool) *slog.Logger {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	o := &slog.HandlerOptions{Level: levels[cfg.Log.Level]}
	if cfg.Log.Format == "text" || cfg.Log.Format == "auto" && people {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
