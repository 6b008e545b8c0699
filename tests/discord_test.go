package tests

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	fake "petrel/tests/fakes/discord"
)

// discordStage is a fake Discord with the program connected to it.
func discordStage(t *testing.T) (*petrel, *fake.Harness) {
	t.Helper()
	s := fake.Start(fake.Options{Heartbeat: time.Second})
	t.Cleanup(s.Close)
	// The adapter is in the program, not here.
	h := fake.NewHarness(s, func(*fake.Server) adapters.Adapter { return nil })
	p := install(t, fmt.Sprintf("chat:\n  discord:\n    token: %s\n    message_content: true\n    api_url: %s\n", s.Token(), s.URL()))
	p.start()
	return p, h
}

// seesOn waits until somebody sees a message of the program that is as ok says.
func seesOn(t *testing.T, h adaptertest.Harness, person, channel, text string, ok func(adaptertest.Seen) bool) adaptertest.Seen {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var found adaptertest.Seen
	all, err := h.See(ctx, person, channel, func(all []adaptertest.Seen) bool {
		for _, s := range all {
			if s.From != person && strings.Contains(s.Text, text) && (ok == nil || ok(s)) {
				found = s
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatalf("%s never sees %q in %s; she sees:%s", person, text, channel, listSeen(all))
	}
	return found
}

func TestDiscord(t *testing.T) {
	p, h := discordStage(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	say := func(channel, text string) string {
		t.Helper()
		id, err := h.Say(ctx, adaptertest.Line{Person: "ann", Channel: channel, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}

	asked := say("#ops", h.Mention()+" run echo from discord on localhost")
	inThread := func(s adaptertest.Seen) bool { return s.Thread == asked }
	seesOn(t, h, "bob", "#ops", "Succeeded after", inThread)
	result := seesOn(t, h, "bob", "#ops", "stdout : from discord", inThread)
	if !slices.Equal(result.Pings, []string{"ann"}) {
		t.Errorf("the result called %q", result.Pings)
	}

	asked = say("#ops", "!run echo getting ready; sleep 600 on localhost")
	card := seesOn(t, h, "ann", "#ops", "getting ready", func(s adaptertest.Seen) bool {
		return s.Thread == asked && slices.Contains(s.Buttons, "Cancel")
	})
	if err := h.Press(ctx, "ann", card.Message, "Cancel"); err != nil {
		t.Fatal(err)
	}
	seesOn(t, h, "ann", "#ops", "Canceled by ann", func(s adaptertest.Seen) bool { return s.Message == card.Message })

	say("@", "run echo between us on localhost")
	seesOn(t, h, "ann", "@", "stdout : between us", nil)
	for _, s := range h.Server.Person("bob").Sees("#ops") {
		if strings.Contains(s.Text, "between us") {
			t.Errorf("bob sees %q", s.Text)
		}
	}

	asked = say("#ops", "!rn date on localhost")
	seesOn(t, h, "ann", "#ops", "do not know the command", func(s adaptertest.Seen) bool {
		return s.Thread == asked && strings.Contains(s.Text, "run")
	})

	h.Server.Drop()
	say("#ops", "!run echo after the drop on localhost")
	seesOn(t, h, "ann", "#ops", "stdout : after the drop", nil)

	p.kill()
	online := h.Server.Sessions() + 1
	p.start()
	if err := h.Server.AwaitOnline(ctx, online); err != nil {
		t.Fatal(err)
	}
	say("#ops", "!run echo after the death on localhost")
	seesOn(t, h, "ann", "#ops", "stdout : after the death", nil)
	for _, a := range h.Server.Acks() {
		if a.Late || a.Took > time.Second {
			t.Errorf("a %s was acknowledged after %s", a.Kind, a.Took)
		}
	}
}

// A token that Discord does not take is told, and the program goes on without.
func TestDiscordRefuses(t *testing.T) {
	s := fake.Start(fake.Options{})
	t.Cleanup(s.Close)
	p := install(t, fmt.Sprintf("chat:\n  discord:\n    token: wrong\n    api_url: %s\n", s.URL()))
	p.spawn()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := retry(ctx, func() error {
		if log := p.log.String(); !strings.Contains(log, "Discord refuses the bot token") {
			return fmt.Errorf("the log says:\n%s", tail(log, 10))
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
