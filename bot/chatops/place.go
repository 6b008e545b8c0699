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

// narrowed is a place as the alias of a command wants it to be seen. It changes
// nothing when that was done already.
func (c *Chat) narrowed(p place, cmd command) place {
	if cmd.Channel.Direct || p.Pointer != nil || p.To.Private != "" {
		return p // only this person sees it anyway
	}
	v := c.visibility(cmd.Alias)
	if v == aliases.Ephemeral && !c.shows(p.Adapter).Ephemeral {
		v = aliases.Direct
	}
	switch v {
	case aliases.Public:
		p.To.Thread = cmd.Thread
	case aliases.Ephemeral:
		p.To.Thread, p.To.Private = cmd.Thread, cmd.User.ID
	case aliases.Direct:
		pointer := p.To
		p.To, p.Pointer = adapters.Target{Channel: directWith(cmd.User)}, &pointer
	}
	return p
}

// visibility is who shall see the answers of an alias.
func (c *Chat) visibility(ref string) aliases.Visibility {
	if ref == "" {
		return ""
	}
	alias, ok := c.catalog().AliasTable().Get(ref)
	if !ok {
		return ""
	}
	return alias.Visibility
}

// directWith names the conversation of a person with the bot, as people write it.
func directWith(u adapters.User) string {
	if u.Name == "" {
		return "@" + u.ID
	}
	return "@" + strings.TrimPrefix(u.Name, "@")
}

// private reports whether what is said to a place is for one person's eyes.
func (p place) private() bool { return p.To.Private != "" }
