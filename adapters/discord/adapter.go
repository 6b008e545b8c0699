package discord

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"petrel/adapters"
)

// Options is what a Discord bot needs.
type Options struct {
	Name  string // of the adapter; "" means "discord"
	Token string // bot token, without "Bot " before it
	// Guild is the ID of the server whose slash commands are kept up to date, and
	// where names of channels and people are looked for first. Empty: commands
	// are global.
	Guild string
	// MessageContent asks for the privileged intent by which all messages are
	// read; without it mentions, direct messages and interactions arrive.
	MessageContent bool
	APIURL         string            // "" means https://discord.com
	Transport      http.RoundTripper // "" means one of its own
	Logger         *slog.Logger
}

// Adapter is a bot on Discord. It implements adapters.Adapter, Commander,
// Manager, Directory, Watched and Examiner.
type Adapter struct {
	name    string
	guild   string
	content bool
	log     *slog.Logger
	api     *api
	gate    *gateway
	places  *places
	lanes   *lanes
	sync    *commandSync

	mu   sync.Mutex
	self user   // the bot itself, once known
	app  string // ID of its application, once known

	pending   *recent[*answering] // interactions by ID, until and after they are acknowledged
	filled    *recent[string]     // keys of first answers, by interaction
	forms     *recent[openForm]   // forms by ID and person
	again     *recent[openForm]   // forms to open again, by the ID in the button
	questions *recent[string]     // what is asked before a press counts, by Button.ID
	sure      *recent[pressed]    // presses whose question is open, by the ID in its button
	texts     *recent[string]     // what was said, by message: names of threads
	inThread  *recent[string]     // thread of a message that is in one
	latest    *recent[string]     // last message heard of, by channel
	caught    *recent[bool]       // messages that were fetched because they were missed
	noThread  *recent[time.Time]  // when threads were refused, by channel
}

var (
	_ adapters.Adapter   = (*Adapter)(nil)
	_ adapters.Commander = (*Adapter)(nil)
	_ adapters.Manager   = (*Adapter)(nil)
	_ adapters.Directory = (*Adapter)(nil)
	_ adapters.Watched   = (*Adapter)(nil)
	_ adapters.Examiner  = (*Adapter)(nil)
)

// New makes an adapter. Nothing is connected until Run.
func New(o Options) (*Adapter, error) {
	token := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(o.Token)+" ", "Bot "))
	if token == "" {
		return nil, errors.New("token is empty; the Discord Developer Portal shows it under Bot")
	}
	if o.Guild != "" && !isID(o.Guild) {
		return nil, errors.New("guild must be the ID of a server, a number; Discord shows it with developer mode on, by \"Copy Server ID\"")
	}
	base, err := url.Parse(o.APIURL)
	if err != nil {
		return nil, err
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	name := o.Name
	if name == "" {
		name = "discord"
	}
	const memory = 4096
	a := &Adapter{
		name: name, guild: o.Guild, content: o.MessageContent, log: log,
		places: newPlaces(), lanes: &lanes{queues: map[string][]func(){}}, sync: newCommandSync(),
		pending: newRecent[*answering](memory / 8), filled: newRecent[string](memory), forms: newRecent[openForm](memory / 4), again: newRecent[openForm](memory / 4),
		questions: newRecent[string](memory / 4), sure: newRecent[pressed](memory / 4),
		texts: newRecent[string](memory), inThread: newRecent[string](memory), latest: newRecent[string](memory / 8),
		caught: newRecent[bool](memory), noThread: newRecent[time.Time](memory / 4),
	}
	if a.api, err = newAPI(token, base, o.Transport); err != nil {
		return nil, err
	}
	a.gate = newGateway(token, intents(o.MessageContent), a.api, log)
	return a, nil
}

// Name implements adapters.Adapter.
func (a *Adapter) Name() string { return a.name }

// Capabilities implements adapters.Adapter.
func (a *Adapter) Capabilities() adapters.Capabilities {
	return adapters.Capabilities{
		Threads: true, Edit: true, Buttons: true, Selects: true, Forms: true,
		Ephemeral: true, EditPrivate: true, Files: true, Commands: true,
		MaxText: embedText, MaxFile: maxFile,
		EditEvery: 1200, // five changes in five seconds are allowed in one channel
	}
}

// Health implements adapters.Watched.
func (a *Adapter) Health() adapters.Health { return a.gate.health() }

// Run implements adapters.Adapter.
func (a *Adapter) Run(ctx context.Context, h adapters.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var helpers sync.WaitGroup
	helpers.Go(func() { a.keepCommands(ctx) })
	err := a.gate.run(ctx, func(kind string, data []byte) { a.dispatch(ctx, h, kind, data) })
	cancel()
	helpers.Wait()
	a.lanes.wait()
	return err
}

// identity returns the bot and its application, asking Discord when READY has
// not told.
func (a *Adapter) identity(ctx context.Context) (self user, app string, err error) {
	a.mu.Lock()
	self, app = a.self, a.app
	a.mu.Unlock()
	if app != "" {
		return self, app, nil
	}
	var about struct {
		ID  string `json:"id"`
		Bot user   `json:"bot"`
	}
	if err := a.api.get(ctx, "applications/@me", &about); err != nil {
		return user{}, "", err
	}
	if about.Bot.ID == "" {
		if err := a.api.get(ctx, "users/@me", &about.Bot); err != nil {
			return user{}, "", err
		}
	}
	a.know(about.Bot, about.ID)
	return about.Bot, about.ID, nil
}

func (a *Adapter) know(self user, app string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.self, a.app = self, app
}

func (a *Adapter) selfID() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.self.ID
}
