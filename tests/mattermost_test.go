package tests

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"petrel/adapters/adaptertest"
	"petrel/adapters/mattermost"
	fake "petrel/tests/fakes/mattermost"
)

// mattermostStage is a fake Mattermost and the program on it.
func mattermostStage(t *testing.T, extra string) *stage {
	t.Helper()
	s, err := fake.New(fake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := install(t, extra)
	t.Setenv("STAGE_DIR", p.dir)
	people := mattermostPeople{fake.NewPeople(s, "http://"+p.addr+"/chat/mattermost"), p}
	p.write(p.read("petrel.yaml")+mattermostConfig(people.Access), "petrel.yaml")
	p.start()
	a, err := mattermost.New(mattermost.Options{
		URL: people.Access.URL, Token: people.Access.Token, CommandTokens: people.Access.CommandTokens, CallbackURL: people.Access.CallbackURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &stage{Harness: people, program: p, able: a.Capabilities(), faults: s}
}

func mattermostConfig(a fake.Access) string {
	return fmt.Sprintf("chat:\n  mattermost:\n    url: %s\n    token: %s\n    command_tokens: [%s]\n", a.URL, a.Token, strings.Join(a.CommandTokens, ", "))
}

// mattermostPeople are people on a fake server that the whole program is on.
type mattermostPeople struct {
	*fake.Harness
	program *petrel
}

// Close ends the program first: it would try to come back for ever.
func (p mattermostPeople) Close() {
	p.program.kill()
	p.Harness.Close()
}

var _ adaptertest.Controls = mattermostPeople{}

// The whole program on a Mattermost server, from a mention to a file.
func TestMattermost(t *testing.T) {
	st := mattermostStage(t, "")
	defer st.Close()
	p := &play{T: t, stage: st}
	for i, step := range []string{
		`ann joins #ops`,
		`bob joins #ops`,
		`ann mentions the bot in #ops: "run echo hello from mattermost on localhost"`,
		`ann sees in #ops: "Succeeded after" in the thread, with a button "Run again"`,
		`ann sees in #ops: "hello from mattermost" in the thread, calling ann, once`,
		`ann presses "Run again" on "Succeeded after"`,
		`bob sees in #ops: /stdout : hello from mattermost/`,
		`bob calls in #ops: /petrel run echo slashed & burned`,
		`ann sees in #ops: /slashed/`,
		`ann says to the bot: "run echo just us on localhost"`,
		`ann sees with the bot: "stdout : just us" once`,
		`ann says in #ops: "!rn date"`,
		`ann sees in #ops: /do not know the command.*run date/ in the thread`,
		`ann says in #ops: "!run echo @all @here @bob on localhost"`,
		`ann sees in #ops: "stdout : @all @here @bob" once`,
		`fault drop`,
		`ann says in #ops: "!run echo after the break on localhost"`,
		`ann sees in #ops: "stdout : after the break" once`,
	} {
		p.at = fmt.Sprint("step ", i+1, ": ", step)
		p.step(step)
	}
	out, code := st.program.run("", "doctor")
	for _, want := range []string{"Mattermost 11.5.0", "@petrel", "#ops", "leads to this program", "loopback address 127.0.0.1", "Allow untrusted internal connections"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("doctor, exit code %d, does not say %q:\n%s", code, want, out)
		}
	}
	server := st.faults.(*fake.Server)
	for _, post := range server.Posts("#ops") {
		for _, name := range post.Pings {
			if post.User == server.Bot().ID && name != "ann" && name != "bob" {
				t.Errorf("@%s was notified by %q", name, post.Message)
			}
		}
		if post.User == server.Bot().ID && strings.Contains(post.Message, "@here") && len(post.Pings) > 1 {
			t.Errorf("%q were notified by %q", post.Pings, post.Message)
		}
	}
	for _, took := range server.Counts().Acks {
		if took > 3*time.Second {
			t.Errorf("a call was answered after %s", took)
		}
	}
}

// A token that Mattermost does not take is told in one line; the rest of the
// program goes on.
func TestMattermostRevoked(t *testing.T) {
	s, err := fake.New(fake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := install(t, "")
	people := fake.NewPeople(s, "http://"+p.addr+"/chat/mattermost")
	p.write(p.read("petrel.yaml")+mattermostConfig(people.Access), "petrel.yaml")
	s.Revoke()
	p.spawn()
	defer p.kill()
	p.awaitUp()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := retry(ctx, func() error {
		if log := p.log.String(); !strings.Contains(log, "refuses the token") || !strings.Contains(log, "new access token") {
			return fmt.Errorf("the log does not say so")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if out, code := p.run("", "doctor"); code != 1 || !strings.Contains(out, "Create New Token") {
		t.Errorf("doctor, exit code %d:\n%s", code, out)
	}
	if out, code := p.run("!run echo still here on localhost\n", "chat", "--as", "ann"); code != 0 || !strings.Contains(out, "still here") {
		t.Errorf("the terminal does not work any more: exit code %d\n%s", code, out)
	}
}
