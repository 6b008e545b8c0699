package slack_test

import (
	"log/slog"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/adapters/slack"
	fake "petrel/tests/fakes/slack"
)

// quick is a Slack that brings again soon what was not taken.
func quick() fake.Options {
	return fake.Options{
		AckDeadline: 300 * time.Millisecond, PingEvery: 50 * time.Millisecond,
		RetryDelays: []time.Duration{time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond},
	}
}

// patient is the pace of tests: Slack's own rates would take minutes.
var patient = slack.Timing{
	PostEvery: time.Microsecond, EditEvery: time.Microsecond, PingEvery: 50 * time.Millisecond, Silence: time.Second,
	BackoffMin: 20 * time.Millisecond, BackoffMax: 200 * time.Millisecond, Heartbeat: 50 * time.Millisecond,
}

func maker(t testing.TB, callbacks bool) fake.Make {
	return func(s *fake.Server) adapters.Adapter {
		o := slack.Options{BotToken: s.BotToken, APIURL: s.APIURL(), Logger: slog.New(slog.DiscardHandler), Timing: patient}
		if callbacks {
			o.SigningSecret = s.SigningSecret
		} else {
			o.AppToken = s.AppToken
		}
		a, err := slack.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

// TestContract holds both ways to be connected to what every platform must do.
func TestContract(t *testing.T) {
	for name, callbacks := range map[string]bool{"socket": false, "http": true} {
		t.Run(name, func(t *testing.T) {
			adaptertest.Run(t, fake.Features(callbacks), func(t *testing.T) adaptertest.Harness {
				return fake.NewHarness(fake.Start(quick()), callbacks, maker(t, callbacks))
			})
		})
	}
}
