package server

import (
	"log/slog"

	"petrel/adapters"
	"petrel/adapters/slack"
	"petrel/config"
)

// slackPlatform makes the adapter of chat.slack, once it has a bot token.
func slackPlatform(cfg *config.Config, publicURL string, log *slog.Logger) (adapters.Adapter, error) {
	c := cfg.Chat.Slack
	if c.BotToken == "" {
		return nil, nil
	}
	if cfg.HTTP.PublicURL == "" {
		publicURL = "" // the address that we listen on is not one that Slack reaches
	}
	return slack.New(slack.Options{
		BotToken: c.BotToken.Reveal(), AppToken: c.AppToken.Reveal(), SigningSecret: c.SigningSecret.Reveal(),
		APIURL: c.APIURL, PublicURL: publicURL, Logger: log,
	})
}
