package discord

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"petrel/adapters"
)

// dispatch takes an event off the gateway. It does nothing that waits.
func (a *Adapter) dispatch(ctx context.Context, h adapters.Handler, kind string, data []byte) {
	switch kind {
	case "READY":
		var ready struct {
			User        user                `json:"user"`
			Application struct{ ID string } `json:"application"`
		}
		if a.read(kind, data, &ready) {
			a.know(ready.User, ready.Application.ID)
			a.sync.wake()
			a.catchUp(ctx, h)
		}
	case "RESUMED":
		a.sync.wake()
	case "GUILD_CREATE":
		var g guild
		if a.read(kind, data, &g) && !g.Unavailable {
			a.places.joined(g, a.selfID())
		}
	case "GUILD_DELETE":
		var g guild
		if a.read(kind, data, &g) && !g.Unavailable {
			a.places.left(g.ID)
		}
	case "CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE":
		var c channel
		if a.read(kind, data, &c) {
			a.places.learn(c)
		}
	case "CHANNEL_DELETE", "THREAD_DELETE":
		var c channel
		if a.read(kind, data, &c) {
			a.places.forget(c.ID)
		}
	case "MESSAGE_CREATE":
		var m message
		if a.read(kind, data, &m) {
			a.messageCreated(ctx, h, m)
		}
	case "INTERACTION_CREATE":
		var i interaction
		if a.read(kind, data, &i) {
			a.interactionCreated(ctx, h, &i)
		}
	}
}

func (a *Adapter) read(kind string, data []byte, into any) bool {
	if err := json.Unmarshal(data, into); err != nil {
		a.log.Error("an event from Discord is unreadable", "kind", kind, "error", err)
		return false
	}
	return true
}

// lane is in whose order the events of a channel are handled: that of the parent
// of a thread.
func (a *Adapter) lane(id string) string {
	if c, ok := a.places.channel(id); ok && c.thread() {
		return c.ParentID
	}
	return id
}

func (a *Adapter) messageCreated(ctx context.Context, h adapters.Handler, m message) {
	if !a.fromPeople(m) {
		return
	}
	a.places.meet(m.Author)
	a.latest.put(m.ChannelID, m.ID)
	a.lanes.put(a.lane(m.ChannelID), func() {
		if _, had := a.caught.get(m.ID); !had {
			a.takeMessage(ctx, h, m)
		}
	})
}

// fromPeople reports whether a message is a line that somebody else wrote.
func (a *Adapter) fromPeople(m message) bool {
	return m.Author.ID != a.selfID() && (m.Type == messageDefault || m.Type == messageReply)
}

func (a *Adapter) takeMessage(ctx context.Context, h adapters.Handler, m message) {
	place, thread := a.where(ctx, m.ChannelID, m.GuildID, m.Author)
	e := adapters.Event{
		DeliveryID: m.ID, Kind: adapters.MessagePosted, Adapter: a.name, Time: m.Timestamp,
		User:    adapters.User{ID: m.Author.ID, Name: m.Author.Username, Bot: m.Author.Bot || m.WebhookID != ""},
		Channel: place, Thread: thread, Message: m.ID,
	}
	e.Text, e.Mentioned = a.plainText(m)
	a.texts.put(m.ID, e.Text)
	if thread != "" {
		a.inThread.put(m.ID, thread)
	}
	answer, err := h.Handle(ctx, e)
	if err == nil && answer.Note == "" {
		return
	}
	ctx, cancel := farewell(ctx)
	defer cancel()
	if err != nil {
		a.log.Error("a message was not taken", "message", m.ID, "error", err)
		a.tell(ctx, m, notTaken)
		return
	}
	note := adapters.Message{
		To: adapters.Target{Channel: place.ID, Private: m.Author.ID}, Key: "note/" + m.ID,
		Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: answer.Note}},
	}
	if _, err := a.Send(ctx, note); err != nil {
		a.log.Error("a note could not be delivered", "message", m.ID, "error", err)
	}
}

// notTaken is what people are told whose command could not be stored.
const notTaken = "I could not take that down. Nothing was started; please try again."

// farewell is time to say a last thing, also when the program is stopping.
func farewell(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := requestLimit
	if ctx.Err() != nil {
		limit = 1500 * time.Millisecond
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// tell replies to a message in its place, calling its author.
func (a *Adapter) tell(ctx context.Context, m message, words string) {
	body := map[string]any{
		"content": "<@" + m.Author.ID + "> " + escape(words), "nonce": nonce("tell/" + m.ID), "enforce_nonce": true,
		"allowed_mentions":  mentions(m.Author.ID),
		"message_reference": map[string]any{"message_id": m.ID, "fail_if_not_exists": false},
	}
	if err := a.api.do(ctx, "POST", "channels/"+m.ChannelID+"/messages", body, nil, nil); err != nil {
		a.log.Error("somebody could not be told that their message was not taken", "message", m.ID, "error", err)
	}
}

var reference = regexp.MustCompile(`<(@!?|@&|#|a?:\w+:)(\d+)>|<(https?://[^\s<>]+)>`)

// plainText is what a person wrote, without Discord's notation: other people and
// channels are shown by name, and the bot's own mention is taken out.
func (a *Adapter) plainText(m message) (text string, mentioned bool) {
	self := a.selfID()
	cut := false
	text = reference.ReplaceAllStringFunc(m.Content, func(s string) string {
		p := reference.FindStringSubmatch(s)
		kind, id := p[1], p[2]
		switch {
		case p[3] != "":
			return p[3]
		case kind == "#":
			if c, ok := a.places.channel(id); ok {
				return "#" + c.Name
			}
		case kind == "@&" && a.places.ownRole(m.GuildID, id), strings.HasPrefix(kind, "@") && kind != "@&" && id == self:
			mentioned, cut = true, true
			return "\x00"
		case kind == "@&":
		case kind[0] == '@':
			for _, u := range m.Mentions {
				if u.ID == id {
					return "@" + u.Username
				}
			}
		default:
			return ":" + strings.Trim(strings.TrimPrefix(kind, "a:"), ":") + ":"
		}
		return s
	})
	if cut {
		text = strings.TrimSpace(ownMention.ReplaceAllString(text, " "))
	}
	return text, mentioned
}

// ownMention is where the bot's mention was, with the blanks and the comma or
// colon that belong to it.
var ownMention = regexp.MustCompile(`[ \t]*\x00[ \t]*[:,]?[ \t]*`)

// Bounds of catching up: channels, messages of each, and how long one may take.
const (
	catchChannels = 50
	catchMessages = 50
	catchLimit    = 5 * time.Second
)

// catchUp fetches what was said while a session could not be resumed, in the
// channels that were heard last. It comes before what is said from now on.
func (a *Adapter) catchUp(ctx context.Context, h adapters.Handler) {
	heard := a.latest.all()
	ids := slices.SortedFunc(maps.Keys(heard), func(x, y string) int { return madeAt(heard[y]).Compare(madeAt(heard[x])) })
	for _, id := range ids[:min(len(ids), catchChannels)] {
		last := heard[id]
		a.lanes.put(a.lane(id), func() { a.catchUpIn(ctx, h, id, last) })
	}
}

func (a *Adapter) catchUpIn(ctx context.Context, h adapters.Handler, id, last string) {
	short, cancel := context.WithTimeout(ctx, catchLimit)
	defer cancel()
	var missed []message
	err := a.api.get(short, fmt.Sprintf("channels/%s/messages?after=%s&limit=%d", id, last, catchMessages), &missed)
	if err == nil && len(missed) > 0 {
		var c channel
		if c, err = a.channelByID(short, id); err == nil {
			for _, m := range slices.Backward(missed) { // newest first, as Discord gives them
				m.GuildID = c.GuildID
				if a.fromPeople(m) {
					a.takeMessage(ctx, h, m)
					a.caught.put(m.ID, true)
				}
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn("what was said meanwhile cannot be read", "channel", id, "error", err)
	}
}
