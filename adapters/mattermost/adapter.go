// Package mattermost is the chat adapter of Mattermost: a bot account that hears
// over the reliable WebSocket, speaks over REST, and is called over HTTP for
// slash commands, buttons, selects and dialogs.
//
// It translates between the chat contract and Mattermost. It knows no commands,
// no executions and no store. The platform's library is imported here only, and
// only for its types and its client: it does not reconnect, so connect.go does.
package mattermost

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
)

// Options is what an Adapter is made of.
type Options struct {
	Name  string // "" means mattermost
	URL   string // of the server, e.g. https://chat.example.org
	Token string // access token of the bot account
	// CommandTokens are those of the slash commands that call this program, one
	// for each command and team.
	CommandTokens []string
	// CallbackURL is where the server reaches Routes, e.g.
	// https://petrel.example.org/chat/mattermost.
	CallbackURL string
	Logger      *slog.Logger // nil means none

	// Heartbeat is how often a silent connection is asked for a sign of life;
	// after three without one it is replaced. 0 means 5 s.
	Heartbeat time.Duration
	// Reconnect is the first pause between two tries to connect. It doubles up to
	// a minute. 0 means 1 s.
	Reconnect time.Duration
	// LookBack is for how long before its start the adapter asks for posts that
	// were written while nobody listened. 0 means 1 min, below 0 none.
	LookBack time.Duration
}

// Adapter is a bot account on one Mattermost server. It implements
// adapters.Adapter and all optional interfaces but Commander: slash commands
// are made on the server, see docs/mattermost.md.
type Adapter struct {
	name     string
	base     string // of the server, without a slash at its end
	callback string
	tokens   []string
	seal     seal
	token    string
	log      *slog.Logger
	born     time.Time

	heartbeat, reconnect, lookBack time.Duration

	api  *model.Client4
	http *http.Client

	gate    gate // who handles events, while Run runs
	blocked atomic.Int64
	limit   atomic.Pointer[limits]
	self    atomic.Pointer[model.User]

	sent     *recent[adapters.Ref] // by Message.Key
	doubtful *recent[time.Time]    // keys whose post got no answer
	roots    *recent[string]       // post -> root of its thread, itself when it is one
	people   *recent[person]       // by ID
	places   *recent[place]        // channels by ID
	names    *recent[string]       // names of channels as people write them -> ID
	told     *recent[time.Time]    // people who were told that something was not taken
	retries  *recent[int]          // forms that were refused -> how often
	keys     keyed                 // one Send for each key at a time

	mu     sync.Mutex
	health adapters.Health
}

// New makes an Adapter. It does not connect.
func New(o Options) (*Adapter, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("url %q is not an address; write for example https://chat.example.org", o.URL)
	}
	if o.Token == "" {
		return nil, errors.New("token is empty; give the access token of the bot account (see docs/mattermost.md)")
	}
	a := &Adapter{
		name: o.Name, base: strings.TrimRight(o.URL, "/"), callback: strings.TrimRight(o.CallbackURL, "/"),
		tokens: o.CommandTokens, token: o.Token, seal: newSeal(o.Token), log: o.Logger, born: time.Now(),
		heartbeat: o.Heartbeat, reconnect: o.Reconnect, lookBack: o.LookBack,
		sent: newRecent[adapters.Ref](4096), doubtful: newRecent[time.Time](1024), roots: newRecent[string](8192),
		people: newRecent[person](8192), places: newRecent[place](4096), names: newRecent[string](4096),
		told: newRecent[time.Time](1024), retries: newRecent[int](1024),
		health: adapters.Health{Problem: "not connected yet"},
	}
	if a.name == "" {
		a.name = "mattermost"
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	setDefault(&a.heartbeat, 5*time.Second)
	setDefault(&a.reconnect, time.Second)
	setDefault(&a.lookBack, time.Minute)
	a.http = &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 25 * time.Second,
		MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
	}}
	a.api = model.NewAPIv4Client(a.base)
	a.api.HTTPClient = a.http
	a.api.SetToken(o.Token)
	return a, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// Name implements adapters.Adapter.
func (a *Adapter) Name() string { return a.name }

// Capabilities implements adapters.Adapter. MaxText is the server's own once it
// has been asked.
func (a *Adapter) Capabilities() adapters.Capabilities {
	l := a.knownLimits()
	return adapters.Capabilities{
		Threads: true, Edit: true, Buttons: true, Selects: true, Forms: true, Ephemeral: true, Files: l.files,
		Commands: len(a.tokens) > 0, MaxText: l.text, MaxFile: l.file, EditEvery: 1000,
	}
}

// Health implements adapters.Watched.
func (a *Adapter) Health() adapters.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.health
	h.Stale = h.Connected && time.Since(h.LastFrame) > silence*a.heartbeat
	return h
}

func (a *Adapter) setHealth(connected bool, problem string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.health.Connected, a.health.Problem = connected, problem
	if connected {
		a.health.LastFrame = time.Now()
	}
}

// alive notes that the server was heard of.
func (a *Adapter) alive() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.health.LastFrame = time.Now()
}

func (a *Adapter) lastFrame() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.health.LastFrame
}
