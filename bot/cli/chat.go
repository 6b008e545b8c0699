package cli

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/spf13/cobra"

	"petrel/adapters/terminal/prompt"
	"petrel/bot/server"
	"petrel/config"
	"petrel/store/sqlite"
)

func (a *app) chatCommand() *cobra.Command {
	var o prompt.Options
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Talk to Petrel in this terminal, or from a script",
		Long: `Joins the server that runs on this data folder. When none does, runs one for the
length of the conversation (without HTTP).

From a pipe every line is said in turn; the whole conversation that follows is
printed. The exit code is 0 when everything succeeded, 1 when something failed
or was not understood:

  echo '!run date on localhost' | petrel chat`,
		Args: exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.chat(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.Name, "as", "", "who speaks (default: your login name)")
	cmd.Flags().StringVar(&o.Channel, "in", "", "channel to speak in, such as \"#ops\" (default: chat.terminal.default_channel)")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 10*time.Minute, "from a pipe: how long a line waits for its last answer")
	return cmd
}

// chat joins the running server or runs one.
func (a *app) chat(ctx context.Context, o prompt.Options) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	outcome, err := a.joinOrRun(ctx, cfg, o)
	if err != nil {
		return err
	}
	if !outcome.OK() {
		return errSilent
	}
	return nil
}

func (a *app) joinOrRun(ctx context.Context, cfg *config.Config, o prompt.Options) (prompt.Outcome, error) {
	log, closeLog, err := fileLogger(cfg)
	if err != nil {
		return prompt.Outcome{}, err
	}
	defer closeLog()
	// A server that is just starting has the store but not yet the socket.
	for deadline := time.Now().Add(10 * time.Second); ; {
		if reachable(ctx, cfg) {
			return a.prompt(ctx, cfg, o)
		}
		s, err := server.New(ctx, cfg, server.Options{Roles: withoutHTTP, Logger: log})
		if err == nil {
			return a.converse(ctx, cfg, s, o)
		}
		var inUse *sqlite.InUseError
		if !errors.As(err, &inUse) || time.Now().After(deadline) {
			return prompt.Outcome{}, err
		}
		select {
		case <-ctx.Done():
			return prompt.Outcome{}, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// withoutHTTP is what a server does that only lives for a conversation.
var withoutHTTP = server.Roles{server.RoleChat, server.RoleRules, server.RoleWorkers, server.RoleSensors, server.RoleTimers}

// reachable reports whether a server listens on this data folder.
func reachable(ctx context.Context, cfg *config.Config) bool {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "unix", server.SocketPath(cfg.DataDir))
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
