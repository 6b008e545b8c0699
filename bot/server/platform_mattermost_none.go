//go:build nomattermost

package server

import (
	"errors"
	"log/slog"

	"petrel/adapters"
	"petrel/config"
)

// mattermostPlatform says that this program was built without Mattermost.
func mattermostPlatform(cfg *config.Config, _ string, _ *slog.Logger) (adapters.Adapter, error) {
	if cfg.Chat.Mattermost.URL == "" {
		return nil, nil
	}
	return nil, errors.New("this program was built without Mattermost (-tags nomattermost); use another build, or take chat.mattermost out of the configuration")
}
