package server

import (
	"fmt"
	"strings"

	"petrel/bot/webhooks"
	"petrel/config"
)

// Guards makes the guards of the configured webhooks, by webhook.
func Guards(cfg *config.Config) (map[string]*webhooks.Guard, error) {
	guards := map[string]*webhooks.Guard{}
	for _, w := range cfg.Webhooks {
		g := &webhooks.Guard{
			Scheme: w.Scheme, User: w.User, Header: w.Header, Prefix: w.Prefix, Algorithm: w.Algorithm, Encoding: w.Encoding,
			TimestampHeader: w.TimestampHeader, Skew: w.Skew.Std(), DeliveryHeader: w.DeliveryHeader, MaxBody: int64(w.MaxBody),
		}
		for _, secret := range []config.Secret{w.Secret, w.PreviousSecret} {
			if secret != "" {
				g.Secrets = append(g.Secrets, secret.Reveal())
			}
		}
		for _, a := range w.AllowFrom {
			network, err := config.Network(a)
			if err != nil {
				return nil, fmt.Errorf("webhook %s: allow_from: %w", w.URL, err)
			}
			g.AllowFrom = append(g.AllowFrom, network)
		}
		guards[strings.Trim(w.URL, "/")] = g
	}
	return guards, nil
}
