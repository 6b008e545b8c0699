package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"petrel/adapters"
)

// Options is what an Adapter is made of.
type Options struct {
	Name          string // "" means "slack"
	BotToken      string // xoxb-...
	AppToken      string // xapp-...: Socket Mode
	SigningSecret string // of the app: Slack calls Routes. Without AppToken the only way in
	APIURL        string // "" means Slack's own; ends with a slash
	// PublicURL is the address below which Slack reaches Routes, such as
	// https://petrel.example.org/chat/slack. Only Examine uses it.
	PublicURL string
	Logger    *slog.Logger // nil means slog.Default
	Timing    Timing
}

// Timing is how fast and how patient an Adapter is. Zero fields take the value
// named beside them.
type Timing struct {
	Connections int           // 2: Socket Mode connections, so that a refresh of one leaves the other
	PingEvery   time.Duration // 8 s: how often a connection is asked whether it lives
	Silence     time.Duration // 20 s: after which a silent connection is replaced
	BackoffMin  time.Duration // 1 s, doubled after each failure to connect
	BackoffMax  time.Duration // 60 s
	Handle      time.Duration // 2.5 s: what a Handler gets of Slack's 3 s
	Call        time.Duration // 25 s: for one call of the Web API
	PostEvery   time.Duration // 1 s: pace of posts to one channel, in the long run
	PostBurst   int           // 10: posts to one channel that need not wait
	EditEvery   time.Duration // 1.2 s: pace of edits in the workspace (Slack: 50 a minute)
	EditBurst   int           // 25
	Heartbeat   time.Duration // 1 min: how often Slack is called when it calls us (HTTP mode)
}

func (t Timing) withDefaults() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&t.PingEvery, 8*time.Second)
	set(&t.Silence, 20*time.Second)
	set(&t.BackoffMin, time.Second)
	set(&t.BackoffMax, time.Minute)
	set(&t.Handle, 2500*time.Millisecond)
	set(&t.Call, 25*time.Second)
	set(&t.PostEvery, time.Second)
	set(&t.EditEvery, 1200*time.Millisecond)
	set(&t.Heartbeat, time.Minute)
	for _, n := range []struct {
		p *int
		v int
	}{{&t.Connections, 2}, {&t.PostBurst, 10}, {&t.EditBurst, 25}} {
		if *n.p <= 0 {
			*n.p = n.v
		}
	}
	return t
}

// Adapter is a Slack app in one workspace.
type Adapter struct {
	name    string
	options Options
	timing  Timing
	log     *slog.Logger
	http    *http.Client
	api     *slack.Client

	self     atomic.Pointer[identity]
	session  atomic.Pointer[session] // nil while Run does not run
	people   *book[adapters.User]
	channels *book[adapters.Channel]
	roots    *memory[string]    // channel/ts of a reply -> ts of its thread
	handled  *memory[*handling] // interactions and envelopes that came lately
	replays  *memory[struct{}]  // signatures that were taken
	sent     *outbox
	uses     *memory[int] // of a response_url
	pace     *pace
	health   health
}

// identity is who we are in the workspace.
type identity struct {
	User, Bot, Team, TeamName, Name string
}

// session is one Run.
type session struct {
	ctx     context.Context
	handler adapters.Handler
	lanes   *lanes

	mu    sync.Mutex
	ended bool
	after sync.WaitGroup // what goes on after an acknowledgement
}

// later does what is left to do once Slack was answered.
func (s *session) later(f func(context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f != nil && !s.ended {
		s.after.Go(func() { f(s.ctx) })
	}
}

// end waits for all that goes on.
func (s *session) end() {
	s.lanes.end()
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.after.Wait()
}

// New makes an Adapter. It connects to nothing.
func New(o Options) (*Adapter, error) {
	switch {
	case o.BotToken == "":
		return nil, errors.New("the bot token is missing: the one of OAuth & Permissions that begins with xoxb-")
	case !strings.HasPrefix(o.BotToken, "xoxb-"):
		return nil, errors.New("the bot token must begin with xoxb-: take the Bot User OAuth Token of OAuth & Permissions")
	case o.AppToken == "" && o.SigningSecret == "":
		return nil, errors.New("an app token (Socket Mode) or a signing secret (Slack calls this program) is needed beside the bot token")
	case o.AppToken != "" && !strings.HasPrefix(o.AppToken, "xapp-"):
		return nil, errors.New("the app token must begin with xapp-: make one under Basic Information, App-Level Tokens, with the scope connections:write")
	}
	if o.Name == "" {
		o.Name = "slack"
	}
	if o.APIURL == "" {
		o.APIURL = slack.APIURL
	}
	if !strings.HasSuffix(o.APIURL, "/") {
		o.APIURL += "/"
	}
	log := o.Logger
	if log == nil {
		log = slog.Default()
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 16 // one for each conversation that is answered at the same time
	a := &Adapter{
		name: o.Name, options: o, timing: o.Timing.withDefaults(), log: log,
		http:     &http.Client{Transport: transport},
		people:   newBook[adapters.User](10 * time.Minute),
		channels: newBook[adapters.Channel](10 * time.Minute),
		roots:    newMemory[string](10_000, 24*time.Hour),
		handled:  newMemory[*handling](10_000, time.Hour),
		replays:  newMemory[struct{}](50_000, 2*signatureWindow),
		uses:     newMemory[int](10_000, replyLife),
	}
	a.sent = &outbox{known: newMemory[*sending](10_000, time.Hour)}
	a.pace = newPace(a.timing)
	a.api = slack.New(o.BotToken, slack.OptionAppLevelToken(o.AppToken), slack.OptionAPIURL(o.APIURL), slack.OptionHTTPClient(a.http))
	return a, nil
}

// Name implements adapters.Adapter.
func (a *Adapter) Name() string { return a.name }

// Capabilities implements adapters.Adapter.
func (a *Adapter) Capabilities() adapters.Capabilities {
	return adapters.Capabilities{
		Threads: true, Edit: true, Buttons: true, Selects: true, Forms: true, Ephemeral: true, EditPrivate: true,
		Files: true, Commands: true, MaxText: textBudget, MaxFile: 1 << 30, EditEvery: 2000,
	}
}

// Run implements adapters.Adapter.
func (a *Adapter) Run(ctx context.Context, h adapters.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &session{ctx: ctx, handler: h, lanes: newLanes()}
	defer a.http.CloseIdleConnections()
	defer s.end()
	defer a.session.Store(nil)
	defer cancel()
	a.health.problem(errors.New("not connected yet"))
	if err := a.introduce(ctx); err != nil || ctx.Err() != nil {
		a.health.problem(err)
		return err
	}
	a.session.Store(s)
	run := a.heartbeat
	if a.options.AppToken != "" {
		run = a.runSockets
	}
	err := run(ctx, s)
	if ctx.Err() != nil {
		err = nil
	}
	a.health.problem(err)
	return err
}

// introduce finds out who we are; it tries for ever, except when Slack does not
// know the token. It returns nil when ctx ends.
func (a *Adapter) introduce(ctx context.Context) error {
	wait := a.newBackoff()
	for {
		err := a.identify(ctx)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if fatal := fatalError("bot token", err); fatal != nil {
			return fatal
		}
		a.health.problem(err)
		pause := wait.next(err)
		a.log.Warn("Slack cannot be reached", "error", explain(err), "again_in", pause)
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// identify asks Slack who we are.
func (a *Adapter) identify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.timing.Call)
	defer cancel()
	who, err := a.api.AuthTestContext(ctx)
	if err != nil {
		return fmt.Errorf("auth.test: %w", err)
	}
	a.self.Store(&identity{User: who.UserID, Bot: who.BotID, Team: who.TeamID, TeamName: who.Team, Name: who.User})
	return nil
}

// me returns who we are, asking Slack when that is not known yet.
func (a *Adapter) me(ctx context.Context) (*identity, error) {
	if who := a.self.Load(); who != nil {
		return who, nil
	}
	if err := a.identify(ctx); err != nil {
		return nil, err
	}
	return a.self.Load(), nil
}

// heartbeat is what Run does when Slack calls us: it makes sure that the token
// still is good.
func (a *Adapter) heartbeat(ctx context.Context, _ *session) error {
	a.health.connected(1)
	defer a.health.connected(-1)
	a.health.frame()
	for sleep(ctx, a.timing.Heartbeat) {
		err := a.identify(ctx)
		if err == nil {
			a.health.frame()
			a.health.problem(nil)
			continue
		}
		if fatal := fatalError("bot token", err); fatal != nil {
			return fatal
		}
		a.health.problem(err)
	}
	return nil
}

// Health implements adapters.Watched.
func (a *Adapter) Health() adapters.Health {
	silence := 2 * a.timing.Silence
	if a.options.AppToken == "" {
		silence = 3 * a.timing.Heartbeat
	}
	return a.health.state(silence)
}

// health is how the connections stand.
type health struct {
	mu    sync.Mutex
	up    int
	last  time.Time
	cause error
}

func (h *health) connected(n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.up += n
	if n > 0 {
		h.cause = nil
	}
}

func (h *health) frame() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = time.Now()
}

func (h *health) problem(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cause = err
}

func (h *health) state(silence time.Duration) adapters.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := adapters.Health{Connected: h.up > 0, LastFrame: h.last}
	s.Stale = s.Connected && time.Since(h.last) > silence
	if h.cause != nil {
		s.Problem = h.cause.Error()
	}
	return s
}

// sleep waits; it reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var (
	_ adapters.Adapter   = (*Adapter)(nil)
	_ adapters.Watched   = (*Adapter)(nil)
	_ adapters.Receiver  = (*Adapter)(nil)
	_ adapters.Manager   = (*Adapter)(nil)
	_ adapters.Directory = (*Adapter)(nil)
	_ adapters.Examiner  = (*Adapter)(nil)
)
