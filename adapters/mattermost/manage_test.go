package mattermost_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/mattermost"
	fake "petrel/tests/fakes/mattermost"
)

// Everything below works without Run, as another process may hold the
// connection.

func TestManage(t *testing.T) {
	h := newHarness(t, fake.Options{})
	defer h.Close()
	ctx := t.Context()
	a := h.Adapter().(*mattermost.Adapter)
	h.Server.Person("ann")
	h.Server.Person("bob")
	c, err := a.CreateChannel(ctx, "#Incident 42: DB down!", true)
	if err != nil || c.Name != "#incident-42-db-down" {
		t.Fatalf("created %+v, %v", c, err)
	}
	if _, err := a.CreateChannel(ctx, "#incident-42-db-down", false); !errors.Is(err, adapters.ErrNameTaken) {
		t.Errorf("a second one: %v", err)
	}
	if _, err := a.CreateChannel(ctx, "#nowhere/x", false); err == nil || !strings.Contains(err.Error(), "team") {
		t.Errorf("in a team that is not there: %v", err)
	}
	if c, err := a.CreateChannel(ctx, "#main/side", false); err != nil || c.Name != "#side" {
		t.Errorf("in a named team: %+v, %v", c, err)
	}
	err = a.Invite(ctx, c.Name, []string{"@ann", "nobody", "bob@example.com"})
	if err == nil || !strings.Contains(err.Error(), "nobody") || !errors.Is(err, adapters.ErrNoUser) {
		t.Errorf("invite: %v", err)
	}
	if !h.Server.IsMember("ann", c.Name) || !h.Server.IsMember("bob", c.Name) {
		t.Error("those who can be added are not")
	}
	if err := a.Invite(ctx, c.ID, []string{"ann"}); err != nil {
		t.Errorf("who is there already: %v", err)
	}
	if err := a.SetTopic(ctx, c.Name, "down since 9 @all "+strings.Repeat("x", 2000)); err != nil {
		t.Error(err)
	}
	if header := h.Server.Channel(c.Name).Header; !strings.HasPrefix(header, "down since 9 @\u200ball") || len([]rune(header)) != 1024 {
		t.Errorf("the header is %q", header)
	}
	ref, err := a.Send(ctx, adapters.Message{To: adapters.Target{Channel: "~incident-42-db-down"}, Key: "k", Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: "summary"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Pin(ctx, ref), a.React(ctx, ref, ":eyes:"), a.React(ctx, ref, "eyes")); err != nil {
		t.Error(err)
	}
	if p := h.Server.Posts(c.ID)[0]; !p.Pinned || len(p.Reactions) != 1 || p.Reactions[0] != "eyes" {
		t.Errorf("the post is %+v", p)
	}
	if err := a.Pin(ctx, adapters.Ref{Channel: c.ID, Message: "nothing"}); err == nil {
		t.Error("nothing can be pinned")
	}
}

func TestFindUser(t *testing.T) {
	h := newHarness(t, fake.Options{})
	defer h.Close()
	a := h.Adapter().(adapters.Directory)
	ann := h.User("ann")
	for _, who := range []string{"@ann", "ann", " @Ann", "ann@example.com", ann.ID} {
		if u, err := a.FindUser(t.Context(), who); err != nil || u != ann {
			t.Errorf("%q: %+v, %v", who, u, err)
		}
	}
	for _, who := range []string{"", "@", "nobody", "@no/body", "a b", "nobody@example.com", strings.Repeat("z", 26)} {
		if _, err := a.FindUser(t.Context(), who); !errors.Is(err, adapters.ErrNoUser) {
			t.Errorf("%q: %v", who, err)
		}
	}
}

func TestExamine(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      fake.Options
		change func(*mattermost.Options)
		run    func(*fake.Server)
		want   map[string]string // check -> severity: part of text and remedy
	}{
		{
			name: "loopback, not to be seen whether allowed", want: map[string]string{
				"server": "ok: Mattermost 11.5.0", "token": "ok: @petrel", "channels": "ok: #ops", "clock": "ok: differ by", "way back": "ok: leads to this program",
				"private address": "warning: loopback address 127.0.0.1, which a Mattermost server does not call", "slash commands": "ok: 2 tokens", "site url": "ok: it is",
			},
		},
		{name: "allowed", o: fake.Options{ShowConfig: true, Internal: "10.0.0.0/8 127.0.0.0/8"}, want: map[string]string{"private address": "ok: may call it"}},
		{name: "not allowed", o: fake.Options{ShowConfig: true, Internal: "10.0.0.0/8"}, want: map[string]string{"private address": "warning: do nothing"}},
		{name: "clock", o: fake.Options{Skew: 5 * time.Minute}, want: map[string]string{"clock": "warning: 5m"}},
		{name: "revoked", run: (*fake.Server).Revoke, want: map[string]string{"token": "fatal: refuses the token"}},
		{name: "no channel", run: func(s *fake.Server) { s.Expel("#ops") }, want: map[string]string{"channels": "warning: /invite @petrel"}},
		{name: "nobody there", change: func(o *mattermost.Options) { o.URL = "http://127.0.0.1:1" }, want: map[string]string{"server": "fatal: not reached"}},
		{name: "no callback", change: func(o *mattermost.Options) { o.CallbackURL = "" }, want: map[string]string{"callbacks": "warning: http.public_url"}},
		{
			name: "callback leads elsewhere", change: func(o *mattermost.Options) { o.CallbackURL = o.URL }, want: map[string]string{"way back": "warning: something else answers"},
		},
		{name: "all interfaces", change: func(o *mattermost.Options) { o.CallbackURL = "http://0.0.0.0:1/chat/mattermost" }, want: map[string]string{"callbacks": "warning: 0.0.0.0", "way back": "warning: nothing answers"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, tt.o, func(o *mattermost.Options) {
				if tt.change != nil {
					tt.change(o)
				}
			})
			defer h.Close()
			h.Server.Channel("#ops")
			if tt.run != nil {
				tt.run(h.Server)
			}
			found := map[string]string{}
			for _, f := range h.Adapter().(adapters.Examiner).Examine(t.Context()) {
				found[f.Check] += string(f.Severity) + ": " + f.Text + " " + f.Remedy + "\n"
				if f.Severity != adapters.OK && f.Remedy == "" {
					t.Errorf("no remedy for %+v", f)
				}
			}
			for check, want := range tt.want {
				severity, part, _ := strings.Cut(want, ": ")
				if got := found[check]; !strings.HasPrefix(got, severity) || !strings.Contains(got, part) {
					t.Errorf("%s: %q, want %s with %q; all: %q", check, got, severity, part, found)
				}
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []mattermost.Options{{}, {URL: "chat.example.org", Token: "t"}, {URL: "ftp://chat.example.org", Token: "t"}, {URL: "https://chat.example.org"}} {
		if _, err := mattermost.New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
