package tests

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/adapters/slack"
	fake "petrel/tests/fakes/slack"
)

// slackStage is a fake Slack and the program in it. With callbacks Slack calls
// the program instead of using Socket Mode.
func slackStage(t *testing.T, callbacks bool) *stage {
	t.Helper()
	s := fake.Start(fake.Options{
		AckDeadline: time.Second,
		RetryDelays: []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second},
	})
	s.OnlyCommands("petrel")
	way := "app_token: " + s.AppToken
	if callbacks {
		way = "signing_secret: " + s.SigningSecret
	}
	p := install(t, fmt.Sprintf("chat:\n  slack:\n    bot_token: %s\n    %s\n    api_url: %s\n", s.BotToken, way, s.APIURL()))
	if callbacks {
		s.CallAt("http://" + p.addr + "/chat/slack/events")
	}
	p.start()
	return &stage{
		Harness: slackPeople{fake.NewHarness(s, callbacks, nil), p}, program: p, faults: s,
		able: slackAdapter(t, s).Capabilities(),
	}
}

// slackPeople are people on a fake Slack that the whole program is in.
type slackPeople struct {
	*fake.Harness
	program *petrel
}

// Close ends the program first: it would try to come back for ever.
func (p slackPeople) Close() {
	p.program.kill()
	p.Harness.Close()
}

func slackAdapter(t *testing.T, s *fake.Server) adapters.Adapter {
	t.Helper()
	a, err := slack.New(slack.Options{BotToken: s.BotToken, AppToken: s.AppToken, APIURL: s.APIURL(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The whole program in a Slack, connected in both ways.
func TestSlack(t *testing.T) {
	for name, callbacks := range map[string]bool{"socket": false, "http": true} {
		t.Run(name, func(t *testing.T) {
			st := slackStage(t, callbacks)
			defer st.Close()
			p := &play{T: t, stage: st}
			for i, step := range []string{
				`ann joins #ops`,
				`bob joins #ops`,
				`ann mentions the bot in #ops: "run echo hello from slack on localhost"`,
				`ann sees in #ops: "Succeeded after" in the thread, with a button "Run again"`,
				`ann sees in #ops: "hello from slack" in the thread, calling ann, once`,
				`ann presses "Run again" on "Succeeded after"`,
				`bob sees in #ops: /stdout : hello from slack.*/`,
				`bob calls in #ops: /petrel run echo slashed & burned on localhost`,
				`ann sees in #ops: "/petrel run echo slashed & burned on localhost"`,
				`ann sees in #ops: /status : failed/`,
				`ann says to the bot: "run echo just us on localhost"`,
				`ann sees with the bot: "stdout : just us" once`,
				`ann says in #ops: "!rn date"`,
				`ann sees in #ops: /do not know the command.*run date/ in the thread`,
				`ann says in #ops: "!run seq 1 5000 on localhost"`,
				`ann sees a file in #ops: "2500"`,
			} {
				p.at = fmt.Sprint("step ", i+1, ": ", step)
				p.step(step)
			}
			if out, code := st.program.run("", "doctor"); !strings.Contains(out, "the bot is @petrel in Fake") || !strings.Contains(out, "auth.test took") || !callbacks && code != 0 {
				t.Errorf("petrel doctor: exit code %d\n%s", code, out)
			}
			for _, ack := range st.faults.(*fake.Server).Acks() {
				if !ack.Acked {
					t.Errorf("a delivery was not acknowledged in time: %+v", ack)
				}
			}
		})
	}
}

// A token that Slack does not take is told in one line, and by /readyz; the rest
// of the program goes on.
func TestSlackRevoked(t *testing.T) {
	s := fake.Start(fake.Options{})
	defer s.Close()
	p := install(t, fmt.Sprintf("chat:\n  slack:\n    bot_token: %s\n    app_token: %s\n    api_url: %s\n", s.BotToken, s.AppToken, s.APIURL()))
	s.Revoke()
	p.spawn()
	defer p.kill()
	p.awaitUp()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := retry(ctx, func() error {
		if log := p.log.String(); !strings.Contains(log, "token_revoked") || !strings.Contains(log, "install the app again") {
			return fmt.Errorf("the log does not say so")
		}
		resp, err := http.Get("http://" + p.addr + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "slack is not connected") {
			return fmt.Errorf("/readyz answers %s: %s, %v", resp.Status, body, err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if out, code := p.run("", "doctor"); code == 0 || !strings.Contains(out, "token_revoked") {
		t.Errorf("petrel doctor: exit code %d\n%s", code, out)
	}
}

var _ adaptertest.Controls = slackPeople{}
