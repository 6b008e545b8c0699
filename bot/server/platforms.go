package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"petrel/adapters"
	"petrel/bot/chatops"
	"petrel/config"
)

// platform makes the adapter of one chat platform. It returns nil when the
// configuration does not mention the platform.
type platform func(cfg *config.Config, publicURL string, log *slog.Logger) (adapters.Adapter, error)

// platforms returns the chat platforms that this program was built with, beside
// the terminal.
func platforms() map[string]platform {
	return map[string]platform{
		"slack":      slackPlatform,
		"discord":    discordPlatform,
		"mattermost": mattermostPlatform,
	}
}

// Adapters makes the adapters of the configured chat platforms, in the order of
// their names. They are not connected.
func Adapters(cfg *config.Config, log *slog.Logger) ([]adapters.Adapter, error) {
	public := cfg.HTTP.PublicURL
	if public == "" {
		public = "http://" + cfg.HTTP.Listen
	}
	var all []adapters.Adapter
	for _, kind := range []string{"discord", "mattermost", "slack"} {
		make, built := platforms()[kind]
		if !built {
			continue
		}
		a, err := make(cfg, strings.TrimSuffix(public, "/")+"/chat/"+kind, log.With("adapter", kind))
		if err != nil {
			return nil, fmt.Errorf("chat.%s: %w", kind, err)
		}
		if a != nil {
			all = append(all, a)
		}
	}
	return all, nil
}

// converse runs an adapter until ctx ends. One that its platform refuses for
// good is reported and left; the others go on.
func (s *Server) converse(ctx context.Context, a adapters.Adapter) {
	if err := a.Run(ctx, s.chat); err != nil && ctx.Err() == nil {
		s.log.Error("a chat platform refuses this program; it stays disconnected until the next start", "adapter", a.Name(), "error", err)
	}
}

// callbacks serves the adapters that their platforms call over HTTP, each below
// its name.
func callbacks(all []adapters.Adapter) http.Handler {
	mux := http.NewServeMux()
	for _, a := range all {
		if r, ok := a.(adapters.Receiver); ok {
			prefix := "/" + a.Name()
			mux.Handle(prefix+"/", http.StripPrefix(prefix, r.Routes()))
		}
	}
	return mux
}

// checkChat reports why a chat platform cannot be talked to now.
func (s *Server) checkChat() error {
	var problems []error
	for _, a := range s.adapters {
		w, ok := a.(adapters.Watched)
		if !ok {
			continue
		}
		switch h := w.Health(); {
		case !h.Connected:
			problems = append(problems, fmt.Errorf("%s is not connected: %s", a.Name(), h.Problem))
		case h.Stale:
			problems = append(problems, fmt.Errorf("%s has been silent since %s", a.Name(), h.LastFrame.Format("15:04:05")))
		}
	}
	return errors.Join(problems...)
}

// known lists the people of the configuration as the conversation knows them.
func known(people config.People) []chatops.Known {
	var list []chatops.Known
	for name, p := range people {
		list = append(list, chatops.Known{Name: name, Chat: p.Chat, Groups: p.Groups})
	}
	return list
}
