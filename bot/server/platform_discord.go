package server

import (
	"log/slog"

	"petrel/adapters"
	"petrel/adapters/discord"
	"petrel/config"
)

// discordPlatform makes the adapter of chat.discord. Discord calls nobody: all
// comes over connections that the adapter opens.
func discordPlatform(cfg *config.Config, _ string, log *slog.Logger) (adapters.Adapter, error) {
	d := cfg.Chat.Discord
	if d.Token == "" {
		return nil, nil
	}
	a, err := discord.New(discord.Options{
		Token: string(d.Token), Guild: d.Guild, MessageContent: d.MessageContent, APIURL: d.APIURL, Logger: log,
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}
