package discord_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/discord"
	fake "petrel/tests/fakes/discord"
)

const patience = 30 * time.Second

// desk is a fake Discord with one connected adapter.
type desk struct {
	*testing.T
	ctx  context.Context
	s    *fake.Server
	a    *discord.Adapter
	stop context.CancelFunc
	done chan error

	mu     sync.Mutex
	events []adapters.Event
	news   chan struct{}
	answer func(adapters.Event) (adapters.Answer, error)
	slow   map[string]chan struct{} // texts that are handled when the channel is closed
}

// sit starts a fake and an adapter, and waits until it is connected.
func sit(t *testing.T, fo fake.Options, change func(*discord.Options)) *desk {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	d := &desk{T: t, ctx: ctx, s: fake.Start(fo), news: make(chan struct{}), done: make(chan error, 1)}
	d.s.Person("ann").ChannelID("#ops") // a channel is there once somebody is
	o := discord.Options{Token: d.s.Token(), MessageContent: true, APIURL: d.s.URL()}
	if change != nil {
		change(&o)
	}
	var err error
	if d.a, err = discord.New(o); err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	d.stop = stop
	go func() { d.done <- d.a.Run(run, d) }()
	t.Cleanup(func() {
		stop()
		if err, ok := <-d.done; ok && err != nil {
			t.Errorf("Run: %v", err)
		}
		d.s.Close()
		cancel()
	})
	return d
}

func (d *desk) connected() *desk {
	d.Helper()
	d.until("connected", func() bool { return d.a.Health().Connected })
	return d
}

// until waits for what has no signal.
func (d *desk) until(what string, ok func() bool) {
	d.Helper()
	for !ok() {
		select {
		case <-time.After(2 * time.Millisecond):
		case <-d.ctx.Done():
			d.Fatalf("never: %s (health: %+v)", what, d.a.Health())
		}
	}
}

// Handle implements adapters.Handler as the program does: a delivery that was
// seen is a duplicate.
func (d *desk) Handle(_ context.Context, e adapters.Event) (adapters.Answer, error) {
	d.mu.Lock()
	hold := d.slow[e.Text]
	d.mu.Unlock()
	if hold != nil {
		<-hold
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, old := range d.events {
		if old.DeliveryID == e.DeliveryID {
			return adapters.Answer{Disposition: adapters.Duplicate}, nil
		}
	}
	d.events = append(d.events, e)
	close(d.news)
	d.news = make(chan struct{})
	if d.answer != nil {
		return d.answer(e)
	}
	return adapters.Answer{Disposition: adapters.Accepted}, nil
}

func (d *desk) answers(f func(adapters.Event) (adapters.Answer, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answer = f
}

// hear waits for the n-th event, counted from 1.
func (d *desk) hear(n int) adapters.Event {
	d.Helper()
	for {
		d.mu.Lock()
		events, news := d.events, d.news
		d.mu.Unlock()
		if len(events) >= n {
			return events[n-1]
		}
		select {
		case <-news:
		case <-d.ctx.Done():
			d.Fatalf("event %d does not come", n)
		}
	}
}

func (d *desk) say(person, text string) string {
	d.Helper()
	id, err := d.s.Person(person).Say("#ops", "", text)
	if err != nil {
		d.Fatal(err)
	}
	return id
}

// post sends as the program does: again when the adapter asks for it.
func (d *desk) post(m adapters.Message) adapters.Ref {
	d.Helper()
	for {
		ref, err := d.a.Send(d.ctx, m)
		var retry *adapters.RetryError
		if !errors.As(err, &retry) {
			if err != nil {
				d.Fatalf("send %s: %v", m.Key, err)
			}
			return ref
		}
		select {
		case <-time.After(min(retry.After, 100*time.Millisecond)):
		case <-d.ctx.Done():
			d.Fatalf("send %s: %v", m.Key, err)
		}
	}
}

// count is how many messages with that text ann sees.
func (d *desk) count(channel, text string) (n int) {
	for _, m := range d.s.Person("ann").Sees(channel) {
		if strings.Contains(m.Text, text) {
			n++
		}
	}
	return n
}

// sees waits until a person sees a message that is as ok says.
func (d *desk) sees(person, channel string, ok func(fake.Sight) bool) fake.Sight {
	d.Helper()
	var found fake.Sight
	all, err := d.s.Person(person).Await(d.ctx, channel, func(all []fake.Sight) bool {
		for _, m := range all {
			if ok(m) {
				found = m
				return true
			}
		}
		return false
	})
	if err != nil {
		d.Fatalf("%s never sees it in %s, but %d others: %+v", person, channel, len(all), texts(all))
	}
	return found
}

func texts(all []fake.Sight) (out []string) {
	for _, m := range all {
		out = append(out, m.Text)
	}
	return out
}

func (d *desk) seesText(person, channel, text string) fake.Sight {
	d.Helper()
	return d.sees(person, channel, func(m fake.Sight) bool { return strings.Contains(m.Text, text) })
}

func paragraph(text string) []adapters.Block {
	return []adapters.Block{{Kind: adapters.Paragraph, Text: text}}
}

// petrel is the command that takes any text.
func petrel() []adapters.Command {
	return []adapters.Command{{Name: "petrel", Description: "Say a command", Options: []adapters.CommandOption{{Name: "text", Description: "the command", Kind: "string"}}}}
}

// call uses /petrel as ann, in a channel or "@".
func (d *desk) call(channel, text string) {
	d.Helper()
	if err := d.s.Person("ann").Call(d.ctx, channel, "petrel", map[string]any{"text": text}); err != nil {
		d.Fatal(err)
	}
}

// every line said around a fault is heard once and in order, and every answer is
// there once.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    fake.Options
		hurt func(*fake.Server)
		free bool // of order
	}{
		{name: "dropped", hurt: func(s *fake.Server) { s.Drop() }},
		{name: "half open", o: fake.Options{Heartbeat: 100 * time.Millisecond}, hurt: func(s *fake.Server) { s.HalfOpen(true) }},
		{name: "asked to reconnect", hurt: func(s *fake.Server) { s.AskToReconnect() }},
		{name: "closed by a restart", hurt: func(s *fake.Server) { s.CloseWith(1001) }},
		{name: "sequence refused", hurt: func(s *fake.Server) { s.CloseWith(4007) }},
		{name: "session timed out", hurt: func(s *fake.Server) { s.CloseWith(4009) }},
		{name: "session invalidated", hurt: func(s *fake.Server) { s.InvalidateSession() }},
		{name: "session forgotten", hurt: func(s *fake.Server) { s.ForbidResume(true); s.Drop() }},
		{name: "delivered twice", hurt: func(s *fake.Server) { s.Duplicate(20) }},
		{name: "reordered", hurt: func(s *fake.Server) { s.Reorder(4) }, free: true},
		{name: "rate limited", hurt: func(s *fake.Server) { s.RateLimit(6, 20*time.Millisecond) }},
		{name: "replies lost", hurt: func(s *fake.Server) { s.LoseReplies(4) }},
		{name: "slow", hurt: func(s *fake.Server) { s.Slow(30 * time.Millisecond) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := sit(t, tt.o, nil).connected()
			const n = 8
			var said []string
			for i := range n {
				if i == 2 || i == 5 {
					tt.hurt(d.s)
				}
				said = append(said, d.say("ann", fmt.Sprintf("!line %d.", i)))
				m := adapters.Message{To: adapters.Target{Channel: d.s.Person("ann").ChannelID("#ops")}, Key: fmt.Sprint("k", i), Blocks: paragraph(fmt.Sprintf("answer %d.", i))}
				d.post(m)
			}
			got := map[string]bool{}
			for i := range n {
				e := d.hear(i + 1)
				got[e.Message] = true
				if !tt.free && e.Message != said[i] {
					t.Errorf("event %d is %q", i, e.Text)
				}
			}
			if len(got) != n {
				t.Errorf("%d of %d lines were heard", len(got), n)
			}
			for i := range n {
				if c := d.count("#ops", fmt.Sprintf("answer %d.", i)); c != 1 {
					t.Errorf("answer %d is there %d times", i, c)
				}
			}
		})
	}
}

// What Discord refuses for good ends Run with what to do about it.
func TestFatal(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    fake.Options
		hurt func(*fake.Server)
		want string
	}{
		{"revoked", fake.Options{}, func(s *fake.Server) { s.Revoke() }, "make a new one in the Developer Portal"},
		{"intent not granted", fake.Options{NoContent: true}, func(*fake.Server) {}, "Message Content Intent"},
		{"sharding wanted", fake.Options{}, func(s *fake.Server) { s.CloseWith(4011) }, "sharded"},
		{"version gone", fake.Options{}, func(s *fake.Server) { s.CloseWith(4012) }, "update this program"},
		{"unknown intent", fake.Options{}, func(s *fake.Server) { s.CloseWith(4013) }, "4013"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := sit(t, tt.o, nil)
			if !tt.o.NoContent {
				d.connected()
			}
			tt.hurt(d.s)
			select {
			case err := <-d.done:
				close(d.done)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("Run ended with %v", err)
				}
			case <-d.ctx.Done():
				t.Fatal("Run does not end")
			}
			if h := d.a.Health(); h.Connected {
				t.Errorf("health: %+v", h)
			}
		})
	}
	d := sit(t, fake.Options{}, func(o *discord.Options) { o.Token = "wrong" })
	if err := <-d.done; err == nil || !strings.Contains(err.Error(), "refuses the bot token") {
		t.Errorf("a wrong token ends Run with %v", err)
	}
	close(d.done)
}

// A budget that is used up is waited for, not run against.
func TestBudget(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.s.SetBudget(0)
	d.s.ForbidResume(true)
	d.s.Drop()
	d.until("the adapter waits for new sessions", func() bool { return strings.Contains(d.a.Health().Problem, "no more sessions") })
	if n := d.s.Sessions(); n != 1 {
		t.Errorf("%d sessions were begun", n)
	}
}

// A dropped connection is resumed, not begun again.
func TestResume(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	for i := range 3 {
		d.s.Drop()
		d.until("resumed", func() bool { return d.s.Resumes() == i+1 && d.a.Health().Connected })
	}
	if n := d.s.Sessions(); n != 1 {
		t.Errorf("%d sessions were begun", n)
	}
}

// A handler that takes long holds up neither heartbeats nor other channels.
func TestSlowHandler(t *testing.T) {
	d := sit(t, fake.Options{Heartbeat: 500 * time.Millisecond}, nil).connected()
	hold := make(chan struct{})
	d.mu.Lock()
	d.slow = map[string]chan struct{}{"!wait": hold}
	d.mu.Unlock()
	d.say("ann", "!wait")
	if _, err := d.s.Person("bob").Say("#dev", "", "!quick"); err != nil {
		t.Fatal(err)
	}
	if e := d.hear(1); e.Text != "!quick" {
		t.Errorf("first heard: %q", e.Text)
	}
	before := d.a.Health().LastFrame
	for range 3 {
		d.until("a heartbeat is acknowledged", func() bool { return d.a.Health().LastFrame.After(before) })
		before = d.a.Health().LastFrame
	}
	close(hold)
	d.hear(2)
	if n := d.s.Sessions() + d.s.Resumes(); n != 1 {
		t.Errorf("the connection was given up: %d sessions and resumes", n)
	}
}
