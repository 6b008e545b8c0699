package discord_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/discord"
	fake "petrel/tests/fakes/discord"
)

// Replies go into a thread of the message; where none may be started they refer
// to it.
func TestThreads(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	ops := d.s.Person("ann").ChannelID("#ops")
	root := d.say("ann", "!run date")
	d.hear(1)
	ref := d.post(adapters.Message{To: adapters.Target{Channel: ops, Thread: root}, Key: "a", Blocks: paragraph("in the thread")})
	if m := d.seesText("bob", "#ops", "in the thread"); m.Thread != root || ref.Channel != root {
		t.Errorf("it is in thread %q, and referred to in %q", m.Thread, ref.Channel)
	}
	if err := d.a.Update(d.ctx, ref, adapters.Message{Key: "a", Blocks: paragraph("changed there")}); err != nil {
		t.Error(err)
	}
	d.seesText("bob", "#ops", "changed there")

	other, err := discord.New(discord.Options{Token: d.s.Token(), APIURL: d.s.URL()}) // knows of no thread
	if err != nil {
		t.Fatal(err)
	}
	if ref, err := other.Send(d.ctx, adapters.Message{To: adapters.Target{Channel: "#ops", Thread: root}, Key: "b", Blocks: paragraph("by another")}); err != nil || ref.Channel != root {
		t.Errorf("by another process: %+v, %v", ref, err)
	}
	d.s.LockThread(root)
	if ref := d.post(adapters.Message{To: adapters.Target{Channel: ops, Thread: root}, Key: "c", Blocks: paragraph("it was locked")}); ref.Channel != ops {
		t.Errorf("the answer to a locked thread is in %s", ref.Channel)
	}

	d.s.DeleteThread(root)
	if ref := d.post(adapters.Message{To: adapters.Target{Channel: ops, Thread: root}, Key: "f", Blocks: paragraph("it was deleted")}); ref.Message == "" {
		t.Error("no answer in place of a deleted thread")
	}
	d.seesText("ann", "#ops", "it was deleted")

	d.s.ForbidThreads(true)
	root = d.say("ann", "!run uptime")
	d.hear(2)
	d.post(adapters.Message{To: adapters.Target{Channel: ops, Thread: root}, Key: "d", Blocks: paragraph("without a thread")})
	if m := d.seesText("bob", "#ops", "without a thread"); m.Thread != "" || m.Reference == nil || m.Reference.MessageID != root {
		t.Errorf("it is in thread %q and refers to %+v", m.Thread, m.Reference)
	}
	if ref, err := other.Send(d.ctx, adapters.Message{To: adapters.Target{Channel: ops, Thread: "1234567890123456789"}, Key: "e", Blocks: paragraph("to what is gone")}); err != nil || ref.Channel != ops {
		t.Errorf("an answer to a message that is gone: %+v, %v", ref, err)
	}
}

// Without the intent mentions and direct messages still have their words.
func TestWithoutMessageContent(t *testing.T) {
	d := sit(t, fake.Options{NoContent: true}, func(o *discord.Options) { o.MessageContent = false }).connected()
	for i, tt := range []struct{ channel, say, want string }{
		{"#ops", "!run date", ""}, {"#ops", "<@" + d.s.Bot().ID + "> run date", "run date"}, {"@", "run date", "run date"},
	} {
		if _, err := d.s.Person("ann").Say(tt.channel, "", tt.say); err != nil {
			t.Fatal(err)
		}
		if e := d.hear(i + 1); e.Text != tt.want {
			t.Errorf("%q in %s is heard as %q", tt.say, tt.channel, e.Text)
		}
	}
}

// The commands are written when they differ from what Discord has, and only then.
func TestCommandSync(t *testing.T) {
	for _, scope := range []string{"", fake.Guild} {
		d := sit(t, fake.Options{}, func(o *discord.Options) { o.Guild = scope }).connected()
		set := append(petrel(), adapters.Command{Name: "deploy", Description: "Deploy it", Options: []adapters.CommandOption{
			{Name: "version", Description: "which", Kind: "string"}, {Name: "times", Description: "how often", Kind: "integer", Required: true},
			{Name: "force", Description: "no questions", Kind: "boolean"},
		}})
		d.a.SetCommands(set)
		d.a.SetCommands(set)
		d.until("the commands are there", func() bool { return len(d.s.Commands(scope)) == 2 })
		if err := d.s.Person("ann").Call(d.ctx, "#ops", "deploy", map[string]any{"times": 3, "force": true, "version": "1.2"}); err != nil {
			t.Fatal(err)
		}
		e := d.hear(1)
		if e.Command != "deploy" || e.Options["times"] != "3" || e.Options["force"] != "true" || e.Options["version"] != "1.2" || e.Text != "" {
			t.Errorf("heard %+v", e)
		}
		d.a.SetCommands(set)
		d.s.Drop()
		d.a.SetCommands(set[:1])
		d.until("the command is gone", func() bool { return len(d.s.Commands(scope)) == 1 })
		if n := d.s.CommandWrites(); n != 2 {
			t.Errorf("the commands were written %d times", n)
		}
		next, err := discord.New(discord.Options{Token: d.s.Token(), APIURL: d.s.URL(), Guild: scope})
		if err != nil {
			t.Fatal(err)
		}
		next.SetCommands(set[:1])
		sessions := d.s.Sessions()
		ran := make(chan error, 1)
		run, stop := context.WithCancel(context.Background())
		go func() { ran <- next.Run(run, d) }()
		if err := d.s.AwaitOnline(d.ctx, sessions+1); err != nil {
			t.Fatal(err)
		}
		d.until("the commands were compared", func() bool { return d.s.CommandReads() >= 3 })
		stop()
		<-ran
		if n := d.s.CommandWrites(); n != 2 {
			t.Errorf("an unchanged set was written: %d writes", n)
		}
	}
}

func TestManage(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.s.Person("bob")
	made, err := d.a.CreateChannel(d.ctx, "#incident-7", true)
	if err != nil || made.Name != "#incident-7" {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := d.a.CreateChannel(d.ctx, "incident-7", false); !errors.Is(err, adapters.ErrNameTaken) {
		t.Errorf("a name that is taken: %v", err)
	}
	err = d.a.Invite(d.ctx, "#incident-7", []string{"@bob", "@nobody", d.s.Person("ann").ID()})
	if err == nil || !strings.Contains(err.Error(), "nobody") || strings.Contains(err.Error(), "@bob") {
		t.Errorf("invite: %v", err)
	}
	if err := d.a.SetTopic(d.ctx, "#incident-7", strings.Repeat("t", 2000)); err != nil {
		t.Error(err)
	}
	ref := d.post(adapters.Message{To: adapters.Target{Channel: "#incident-7"}, Key: "p", Blocks: paragraph("pin me")})
	if err := d.a.Pin(d.ctx, ref); err != nil {
		t.Error(err)
	}
	for emoji, ok := range map[string]bool{"white_check_mark": true, ":eyes:": true, "petrel_logo": true, "🦤": true, "no_such_thing": false} {
		if err := d.a.React(d.ctx, ref, emoji); (err == nil) != ok {
			t.Errorf("react with %s: %v", emoji, err)
		}
	}
	c := d.s.ChannelState("#incident-7")
	if len(c.Overwrites) != 2 || !c.Members[d.s.Person("bob").ID()] || len([]rune(c.Topic)) != 1024 || len(c.Pins) != 1 {
		t.Errorf("the channel is %+v", c)
	}
	if m := d.seesText("ann", "#incident-7", "pin me"); len(m.Reactions) != 4 {
		t.Errorf("reactions: %q", m.Reactions)
	}
}

func TestFindUser(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	want := adapters.User{ID: d.s.Person("bob").ID(), Name: "bob"}
	for _, who := range []string{want.ID, "<@" + want.ID + ">", "@bob", "Bob", "<@!" + want.ID + ">"} {
		if u, err := d.a.FindUser(d.ctx, who); err != nil || u != want {
			t.Errorf("%s is %+v, %v", who, u, err)
		}
	}
	for _, who := range []string{"@bobby", "bob@example.com", "1234567890123456789", ""} {
		if u, err := d.a.FindUser(d.ctx, who); !errors.Is(err, adapters.ErrNoUser) {
			t.Errorf("%q is %+v, %v", who, u, err)
		}
	}
}

func TestExamine(t *testing.T) {
	checks := func(a *discord.Adapter, d *desk) map[string]adapters.Severity {
		found := map[string]adapters.Severity{}
		for _, f := range a.Examine(d.ctx) {
			found[f.Check] = f.Severity
			if f.Severity != adapters.OK && f.Remedy == "" {
				t.Errorf("%s has no remedy: %s", f.Check, f.Text)
			}
			t.Logf("%s: %s: %s", f.Severity, f.Check, f.Text)
		}
		return found
	}
	d := sit(t, fake.Options{}, nil)
	for check, s := range checks(d.a, d) {
		if s != adapters.OK {
			t.Errorf("%s is %s", check, s)
		}
	}
	d.s.SetBudget(3)
	if got := checks(d.a, d); got["sessions"] != adapters.Warning {
		t.Errorf("few sessions: %v", got)
	}
	d.s.Forbid(^uint64(fake.MayView))
	if got := checks(d.a, d); got["server Test Guild"] != adapters.Warning {
		t.Errorf("few permissions: %v", got)
	}
	elsewhere, err := discord.New(discord.Options{Token: d.s.Token(), APIURL: d.s.URL(), Guild: "1234567890123456789"})
	if err != nil {
		t.Fatal(err)
	}
	if got := checks(elsewhere, d); got["servers"] != adapters.Fatal {
		t.Errorf("another server: %v", got)
	}
	wrong, err := discord.New(discord.Options{Token: "wrong", APIURL: d.s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if got := checks(wrong, d); got["token"] != adapters.Fatal || len(got) != 1 {
		t.Errorf("a wrong token: %v", got)
	}
	refused := sit(t, fake.Options{NoContent: true}, func(o *discord.Options) { o.MessageContent = false })
	eager, err := discord.New(discord.Options{Token: refused.s.Token(), APIURL: refused.s.URL(), MessageContent: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := checks(eager, refused); got["message content"] != adapters.Fatal {
		t.Errorf("an intent that is not granted: %v", got)
	}
	away, err := discord.New(discord.Options{Token: "t", APIURL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := checks(away, d); got["reachability"] != adapters.Fatal {
		t.Errorf("nobody there: %v", got)
	}
}

// A private answer that Discord does not let through is not said in public, but
// the person learns that there is one.
func TestNoDirectMessages(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.s.ForbidDirect(true)
	d.post(adapters.Message{To: adapters.Target{Channel: "#ops", Private: d.s.Person("ann").ID()}, Key: "s", Blocks: paragraph("the secret")})
	m := d.seesText("ann", "#ops", "an answer for you alone")
	if len(m.Pings) != 1 || m.Pings[0] != "ann" || d.count("#ops", "the secret") > 0 {
		t.Errorf("it calls %q: %s", m.Pings, m.Text)
	}
}

// Where the bot may not embed, attach or read the history, the words get through.
func TestFewPermissions(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.s.ForbidThreads(true)
	d.s.Forbid(fake.MayEmbed | fake.MayAttach | fake.MayHistory)
	root := d.say("ann", "!run date")
	m := adapters.Message{To: adapters.Target{Channel: "#ops", Thread: root}, Key: "f", State: adapters.StateSucceeded, Mention: d.s.Person("ann").ID()}
	m.Blocks = []adapters.Block{{Kind: adapters.Paragraph, Text: "here it is"}, {Kind: adapters.Preformatted, Text: strings.Repeat("a line\n", 1000)}}
	m.Files = []adapters.File{{Name: "x.txt", Content: []byte("x")}}
	d.post(m)
	seen := d.seesText("bob", "#ops", "here it is")
	if !strings.Contains(seen.Text, "files are left out") || len(seen.Pings) != 1 {
		t.Errorf("seen is %q, calling %q", seen.Text, seen.Pings)
	}
	d.post(adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "e"})
	d.seesText("bob", "#ops", "(empty)")
}

// What Discord says of its limits is kept to: nothing is sent only to be refused.
func TestPace(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.s.Pace(5, 300*time.Millisecond)
	for i := range 12 {
		d.post(adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: fmt.Sprint("p", i), Blocks: paragraph(fmt.Sprint("post ", i, "."))})
	}
	if n := d.s.Refused(); n > 0 {
		t.Errorf("%d calls were refused", n)
	}
	for i := range 12 {
		if n := d.count("#ops", fmt.Sprint("post ", i, ".")); n != 1 {
			t.Errorf("post %d is there %d times", i, n)
		}
	}
}

// Extras that Discord refuses cost the extras, not the answer.
func TestRefusedExtra(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	m := adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "x", Blocks: paragraph("the answer")}
	m.Extra = map[string]json.RawMessage{"discord": json.RawMessage(`{"title":"` + strings.Repeat("t", 300) + `"}`)}
	d.post(m)
	d.seesText("ann", "#ops", "the answer")
}

func TestOptions(t *testing.T) {
	for _, o := range []discord.Options{{}, {Token: "Bot "}, {Token: "t", Guild: "my server"}, {Token: "t", APIURL: "::"}} {
		if _, err := discord.New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
