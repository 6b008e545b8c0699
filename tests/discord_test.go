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
	"petrel/adapters/discord"
	fake "petrel/tests/fakes/discord"
)

// discordStage is a fake Discord with the program connected to it; extra goes
// into the program's configuration.
func discordStage(t *testing.T, extra string) *stage {
	t.Helper()
	s := fake.Start(fake.Options{Heartbeat: time.Second})
	p := install(t, fmt.Sprintf("%schat:\n  discord:\n    token: %s\n    message_content: true\n    api_url: %s\n", extra, s.Token(), s.URL()))
	// The adapter is in the program; this one only says what Discord can.
	a, err := discord.New(discord.Options{Token: s.Token(), APIURL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	people := discordPeople{fake.NewHarness(s, func(*fake.Server) adapters.Adapter { return nil }), p}
	t.Setenv("STAGE_DIR", p.dir)
	p.start()
	return &stage{Harness: people, program: p, able: a.Capabilities(), faults: s}
}

// discordPeople are people on a fake Discord that the whole program is in.
type discordPeople struct {
	*fake.Harness
	program *petrel
}

// Close ends the program first: it would try to come back for ever.
func (p discordPeople) Close() {
	p.program.kill()
	p.Harness.Close()
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
	st := discordStage(t, "")
	defer st.Close()
	p, h := st.program, st.Harness.(discordPeople)
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

	if err := h.Call(ctx, "ann", "#ops", "petrel", "run echo slashed on localhost"); err != nil {
		t.Fatal(err)
	}
	card = seesOn(t, h, "bob", "#ops", "Succeeded after", func(s adaptertest.Seen) bool { return s.Thread == "" })
	seesOn(t, h, "bob", "#ops", "stdout : slashed", nil)
	greet := map[string]any{"name": "Bob", "times": 2, "shout": true}
	if err := h.Server.Person("ann").Call(ctx, "#ops", "greet", greet); err != nil {
		t.Fatal(err)
	}
	seesOn(t, h, "bob", "#ops", "HELLO", nil)
	if card.Private {
		t.Error("the card of a public command is private")
	}
	for _, s := range h.Server.Person("bob").Sees("#ops") {
		if strings.Contains(s.Text, "is thinking") {
			t.Error("a command is still being thought about")
		}
	}

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

// A program that is killed right after it took a command: there is one card and
// one result of each, whatever had been posted by then.
func TestDiscordKilled(t *testing.T) {
	st := discordStage(t, "")
	defer st.Close()
	h := st.Harness.(discordPeople)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	const rounds = 6
	for i := range rounds {
		if err := h.Call(ctx, "ann", "#ops", "petrel", fmt.Sprintf("run echo word-%d on localhost", i)); err != nil {
			t.Fatal(err)
		}
		// In some rounds the program is killed before it says anything, in others
		// between the card and the result or after them.
		seen := i * 2 / 3
		if _, err := h.See(ctx, "bob", "#ops", func(all []adaptertest.Seen) bool { return len(all) >= seen }); err != nil {
			t.Fatal(err)
		}
		st.program.kill()
		online := h.Server.Sessions() + 1
		st.program.start()
		if err := h.Server.AwaitOnline(ctx, online); err != nil {
			t.Fatal(err)
		}
	}
	count := func(all []adaptertest.Seen, text string) (n int) {
		for _, s := range all {
			if strings.Contains(s.Text, text) {
				n++
			}
		}
		return n
	}
	all, err := h.See(ctx, "bob", "#ops", func(all []adaptertest.Seen) bool {
		return count(all, "status : ") >= rounds && count(all, "is thinking")+count(all, "Working on it") == 0
	})
	if err != nil {
		t.Fatalf("not everything is answered: %v%s", err, listSeen(all))
	}
	if results, cards := count(all, "status : "), count(all, " after "); results != rounds || cards != rounds {
		t.Errorf("%d results and %d cards of %d commands:%s", results, cards, rounds, listSeen(all))
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

// What petrel doctor says of a set-up, without a server.
func TestDiscordDoctor(t *testing.T) {
	s := fake.Start(fake.Options{NoContent: true})
	t.Cleanup(s.Close)
	p := install(t, fmt.Sprintf("chat:\n  discord:\n    token: %s\n    message_content: true\n    api_url: %s\n", s.Token(), s.URL()))
	out, code := p.run("", "doctor")
	for _, want := range []string{"the bot is petrel", "Message Content Intent", "all permissions are there", "1000 of 1000", "round trip"} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q:\n%s", want, out)
		}
	}
	if code == 0 {
		t.Errorf("doctor is content although Discord will refuse the connection:\n%s", out)
	}
}
