package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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
	Masker   *secrets.Masker    // secret texts that are never said; nil: none
	Now      func() time.Time   // nil means time.Now
	Logger   *slog.Logger
}

// Chat carries conversations between the adapters and the engine.
type Chat struct {
	store    store.Backend
	catalog  func() Catalog
	renderer *expression.Renderer
	adapters []adapters.Adapter
	name     string
	prefix   string
	masker   *secrets.Masker
	now      func() time.Time
	log      *slog.Logger

	service *pipeline.Service
}

// New puts a Chat together. Bind must be called before events arrive.
func New(o Options) *Chat {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	return &Chat{
		store: o.Store, catalog: o.Catalog, renderer: o.Renderer, adapters: o.Adapters,
		name: o.Name, prefix: o.Prefix, masker: o.Masker, now: now, log: o.Logger,
	}
}

// Bind gives the Chat the service that it puts work into. The two know each
// other (the service calls the Chat's responders), so one comes first.
func (c *Chat) Bind(s *pipeline.Service) { c.service = s }

// Responders returns what answers the chat's own trigger types.
func (c *Chat) Responders() map[string]pipeline.Responder {
	return map[string]pipeline.Responder{engine.TriggerChatCommand: c.respond}
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
}

// place is where answers to a command go; it is the Detail of an engine.Origin.
type place struct {
	Adapter string          `json:"adapter"`
	To      adapters.Target `json:"to"`
	Message string          `json:"message"` // what is answered
	User    string          `json:"user"`
}

// Handle implements adapters.Handler: it makes an event durable.
func (c *Chat) Handle(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
	if e.User.Bot {
		return adapters.Answer{}, nil
	}
	if e.Kind == adapters.ButtonPressed {
		return c.press(ctx, e)
	}
	payload := command{
		Adapter: e.Adapter, DeliveryID: e.DeliveryID, User: e.User, Channel: e.Channel,
		Thread: e.Thread, Message: e.Message, Text: e.Text,
	}
	d := pipeline.Dispatch{
		Trigger: engine.TriggerChatMessage, Lane: engine.LaneChat,
		DeliveryID: e.Adapter + "/" + e.DeliveryID, TraceTag: e.Adapter + "-" + e.DeliveryID,
	}
	text, addressed := c.address(e)
	if addressed {
		d.Trigger = engine.TriggerChatCommand
		payload.Text = text
		c.match(&payload)
		origin, err := origin(e)
		if err != nil {
			return adapters.Answer{}, err
		}
		d.Origin = origin
	} else if !c.service.Listens(engine.TriggerChatMessage) {
		return adapters.Answer{}, nil // nobody would ever look at it
	}
	var err error
	if d.Payload, err = json.Marshal(payload); err != nil {
		return adapters.Answer{}, fmt.Errorf("encode a chat event: %w", err)
	}
	receipt, err := c.service.Dispatch(ctx, d)
	switch {
	case err != nil:
		return adapters.Answer{}, err
	case receipt.Duplicate:
		return adapters.Answer{Disposition: adapters.Duplicate}, nil
	case !addressed:
		return adapters.Answer{}, nil
	}
	c.log.Debug("command taken", "trigger_instance", receipt.ID, "adapter", e.Adapter, "user", e.User.Name, "channel", e.Channel.Name)
	return adapters.Answer{Disposition: adapters.Accepted}, nil
}

// address tells whether a line is meant for the bot, and what is left of it
// without the address. A direct message needs none.
func (c *Chat) address(e adapters.Event) (string, bool) {
	text := strings.TrimSpace(e.Text)
	if c.prefix != "" && strings.HasPrefix(text, c.prefix) {
		return strings.TrimSpace(text[len(c.prefix):]), true
	}
	if e.Mentioned || e.Kind == adapters.CommandCalled {
		return text, true
	}
	// "petrel: help" and "petrel, help" address it by name.
	if n := len(c.name); len(text) > n && strings.EqualFold(text[:n], c.name) && (text[n] == ':' || text[n] == ',') {
		return strings.TrimSpace(text[n+1:]), true
	}
	return text, e.Channel.Direct
}

// match finds the alias that a command means. Several equally good ones are the
// responder's matter, as is none at all.
func (c *Chat) match(p *command) {
	m, err := c.catalog().AliasTable().Resolve(p.Text)
	if err != nil {
		return
	}
	p.Alias, p.Format, p.Hits = m.Alias.Ref, m.Format, m.All
}

// origin says where the answers to an event go: into the thread of the message,
// or flat into a direct conversation, which is a thread by itself.
func origin(e adapters.Event) (*engine.Origin, error) {
	p := place{Adapter: e.Adapter, Message: e.Message, User: e.User.ID, To: adapters.Target{Channel: e.Channel.ID, Thread: e.Thread}}
	if p.To.Thread == "" && !e.Channel.Direct {
		p.To.Thread = e.Message
	}
	detail, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode the origin of a chat event: %w", err)
	}
	return &engine.Origin{Conversation: conversation(p.Adapter, p.To), Detail: detail}, nil
}

// conversation names the line in which messages to a target wait for each other.
func conversation(adapter string, to adapters.Target) string {
	return strings.Join([]string{adapter, to.Channel, to.Thread}, "|")
}

// Adapter returns the adapter of the given name; with an empty name the first.
func (c *Chat) Adapter(name string) (adapters.Adapter, bool) {
	i := slices.IndexFunc(c.adapters, func(a adapters.Adapter) bool { return name == "" || a.Name() == name })
	if i < 0 {
		return nil, false
	}
	return c.adapters[i], true
}

// press carries out what a button stands for. Both kinds are idempotent, so a
// press that is delivered twice does nothing twice.
func (c *Chat) press(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
	verb, id, _ := strings.Cut(e.Button, ":")
	var err error
	switch verb {
	case buttonCancel:
		_, err = c.service.Cancel(ctx, id, e.User.Name)
	case buttonAgain:
		if err = c.mayRepeat(ctx, e, id); err != nil {
			return adapters.Answer{}, err
		}
		_, err = c.service.Again(ctx, id, pipeline.AgainOptions{
			Key: e.Adapter + "/" + e.DeliveryID, User: e.User.Name, Lane: engine.LaneChat,
		})
	default:
		err = engine.Errorf(engine.NotFound, "this button (%q) stands for nothing", e.Button)
	}
	if err != nil && engine.CodeOf(err) == engine.Conflict {
		return adapters.Answer{}, nil // too late to cancel; the card says how it ended
	}
	if err != nil {
		return adapters.Answer{}, err
	}
	return adapters.Answer{Disposition: adapters.Accepted}, nil
}

const (
	buttonCancel = "cancel" // cancel:<execution ID>
	buttonAgain  = "again"  // again:<execution ID>
)
