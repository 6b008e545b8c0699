//go:build !nomattermost

package server

import (
	"log/slog"

	"petrel/adapters"
	"petrel/adapters/mattermost"
	"petrel/config"
)

// mattermostPlatform makes the adapter of Mattermost. Its library is by far the
// largest of the program; the build tag nomattermost leaves it out.
func mattermostPlatform(cfg *config.Config, publicURL string, log *slog.Logger) (adapters.Adapter, error) {
	m := cfg.Chat.Mattermost
	if m.URL == "" {
		return nil, nil
	}
	return mattermost.New(mattermost.Options{
		URL: m.URL, Token: m.Token.Reveal(), CommandTokens: m.CommandTokens, CallbackURL: publicURL, Logger: log,
	})
}
