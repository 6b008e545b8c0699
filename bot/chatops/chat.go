package chatops

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/pipeline"
	"petrel/engine/secrets"
	"petrel/store"
)

// Catalog is the registered content as the conversation needs it.
type Catalog interface {
	AliasTable() *aliases.Table
	Action(ref string) (*engine.Action, bool)
	Runner(name string) (*engine.Runner, bool)
}

// Options is what a Chat is made of.
type Options struct {
	Store    store.Backend
	Catalog  func() Catalog // the present content
	Renderer *expression.Renderer
	Adapters []adapters.Adapter // the first one is the default of chatops.post_message
	Name     string             // what people call the bot, e.g. "petrel"
	Prefix   string             // what commands begin with, e.g. "!"
	People   []Known            // who is who
	Admins   []string           // whom refused people are told to ask
	Masker   *secrets.Masker    // secret texts that are never said; nil: none
	// Patience is after how long it is said that something still runs; 0: never.
	Patience time.Duration
	// WebURL is the address of a web console that shows executions; may be empty.
	WebURL string
	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger
}

// Chat carries conversations between the adapters and the engine.
type Chat struct {
	store    store.Backend
	catalog  func() Catalog
	renderer *expression.Renderer
	adapters []adapters.Adapter
	name     string
	prefix   string
	people   *people
	admins   []string
	masker   *secrets.Masker
	patience time.Duration
	webURL   string
	now      func() time.Time
	log      *slog.Logger

	service  *pipeline.Service
	verbs    map[string]verb // of buttons, selects and forms
	commands commandNames
	actions  sync.Map // what was read of actions: readAction by ref
}

// New puts a Chat together. Bind must be called before events arrive.
func New(o Options) *Chat {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	c := &Chat{
		store: o.Store, catalog: o.Catalog, renderer: o.Renderer, adapters: o.Adapters,
		name: o.Name, prefix: o.Prefix, people: newPeople(o.People), admins: o.Admins, masker: o.Masker,
		patience: o.Patience, webURL: o.WebURL, now: now, log: o.Logger,
	}
	c.verbs = c.allVerbs()
	return c
}

// Bind gives the Chat the service that it puts work into. The two know each
// other (the service calls the Chat's responders), so one comes first.
func (c *Chat) Bind(s *pipeline.Service) { c.service = s }

// Responders returns what answers the chat's own trigger types.
func (c *Chat) Responders() map[string]pipeline.Responder {
	return map[string]pipeline.Responder{engine.TriggerChatCommand: c.respond, engine.TriggerNotify: c.notified}
}

// command is the payload of core.chat.command and, without the fields about the
// alias, of core.chat.message.
type command struct {
	Adapter    string           `json:"adapter"`
	DeliveryID string           `json:"delivery_id"`
	User       adapters.User    `json:"user"`
	Channel    adapters.Channel `json:"channel"`
	Thread     string           `json:"thread,omitempty"`
	Message    string           `json:"message,omitempty"`
	Text       string           `json:"text"`
	// Alias is the ref of the alias that fits, empty when none does. Hits holds
	// the parameters of every hit; one, unless the format is match_multiple.
	Alias  string           `json:"alias,omitempty"`
	Format string           `json:"format,omitempty"`
	Hits   []aliases.Params `json:"hits,omitempty"`
	// Confirmed: the question whether it shall really run was answered.
	Confirmed bool `json:"confirmed,omitempty"`
	// Answer is the interaction that the text answers, when it is no command.
	Answer string `json:"answer,omitempty"`
}

// Adapter returns the adapter of the given name; with an empty name the first.
func (c *Chat) Adapter(name string) (adapters.Adapter, bool) {
	i := slices.IndexFunc(c.adapters, func(a adapters.Adapter) bool { return name == "" || a.Name() == name })
	if i < 0 {
		return nil, false
	}
	return c.adapters[i], true
}

// shows says what the platform of an adapter can show; nothing when it is gone.
func (c *Chat) shows(adapter string) adapters.Capabilities {
	if a, ok := c.Adapter(adapter); ok && adapter != "" {
		return a.Capabilities()
	}
	return adapters.Capabilities{}
}
