package mattermost_test

import (
	"log/slog"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/adapters/mattermost"
	fake "petrel/tests/fakes/mattermost"
)

// TestContract holds the adapter to what every platform must do. Mattermost
// delivers nothing twice and waits for no acknowledgement; an event that was not
// taken is handed over again by the adapter itself.
func TestContract(t *testing.T) {
	features := adaptertest.Features{
		Mentions: true, Direct: true, Idempotent: true, KeyOutlivesProcess: true, RedeliversRefused: true, Drops: true, Slows: true,
	}
	adaptertest.Run(t, features, func(t *testing.T) adaptertest.Harness { return newHarness(t, fake.Options{}) })
}

// newHarness starts a fake server with an adapter that is quick to reconnect.
func newHarness(t *testing.T, o fake.Options, change ...func(*mattermost.Options)) *fake.Harness {
	t.Helper()
	s, err := fake.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h, err := fake.NewHarness(s, func(access fake.Access) (adapters.Adapter, error) {
		o := mattermost.Options{
			URL: access.URL, Token: access.Token, CommandTokens: access.CommandTokens, CallbackURL: access.CallbackURL,
			Reconnect: 20 * time.Millisecond, Heartbeat: 500 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		}
		for _, f := range change {
			f(&o)
		}
		return mattermost.New(o)
	})
	if err != nil {
		s.Close()
		t.Fatal(err)
	}
	return h
}
