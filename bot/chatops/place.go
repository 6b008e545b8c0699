package chatops

import (
	"strings"

	"petrel/adapters"
	"petrel/aliases"
)

// place is where answers to a command go; it is the Detail of an engine.Origin.
type place struct {
	Adapter string          `json:"adapter"`
	To      adapters.Target `json:"to"`
	Message string          `json:"message"` // what is answered
	User    string          `json:"user"`
	// Pointer is where it is said that the answer was given elsewhere; nil when
	// the answer is seen where the command was given.
	Pointer *adapters.Target `json:"pointer,omitempty"`
}

// placeOf says where answers to an event go. Without a wish that is the thread of
// the message, or flat into a direct conversation, which is a thread by itself.
func (c *Chat) placeOf(e adapters.Event, v aliases.Visibility) place {
	p := place{
		Adapter: e.Adapter, Message: e.Message, User: e.User.ID,
		To: adapters.Target{Channel: e.Channel.ID, Thread: e.Thread, Reply: e.Reply},
	}
	if e.Channel.Direct {
		return p // only this person sees it anyway
	}
	threaded := p.To
	if threaded.Thread == "" {
		threaded.Thread = e.Message
	}
	if v == aliases.Ephemeral && !c.shows(e.Adapter).Ephemeral {
		v = aliases.Direct
	}
	switch v {
	case aliases.Public:
	case aliases.Ephemeral:
		p.To.Private = e.User.ID
	case aliases.Direct:
		p.To = adapters.Target{Channel: directWith(e.User)}
		p.Pointer = &threaded
	default:
		p.To = threaded
	}
	return p
}

// directWith names the conversation of a person with the bot, as people write it.
func directWith(u adapters.User) string {
	if u.Name == "" {
		return "@" + u.ID
	}
	return "@" + strings.TrimPrefix(u.Name, "@")
}

// shows is what the platform of an adapter can show; nothing when there is none.
func (c *Chat) shows(adapter string) adapters.Capabilities {
	a, ok := c.Adapter(adapter)
	if !ok || adapter == "" {
		return adapters.Capabilities{}
	}
	return a.Capabilities()
}

// conversation names the line in which messages to a target wait for each other.
func conversation(adapter string, to adapters.Target) string {
	return strings.Join([]string{adapter, to.Channel, to.Thread}, "|")
}

// private reports whether what is said to a place is for one person's eyes.
func (p place) private() bool { return p.To.Private != "" }
