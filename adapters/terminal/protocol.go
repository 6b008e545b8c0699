package terminal

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"petrel/adapters"
)

// Limits of the session protocol.
const (
	MaxRequest  = 1 << 20 // bytes of one line from a client
	MaxDelivery = 128     // bytes of a delivery ID
	MaxEarlier  = 1000    // entries of one answer
	maxName     = 64      // characters of a person's or channel's name
)

// Protocol is the version of the session protocol that a welcome announces.
const Protocol = 1

// What a client can ask for.
const (
	DoJoin    = "join"    // be As in the channel In; see its messages from now on
	DoSay     = "say"     // say Text in the channel In, under Thread if given
	DoCall    = "call"    // use the slash command Command, with Text behind it, in the channel In
	DoPress   = "press"   // press Button of the message ID, or choose Choice in that select
	DoSubmit  = "submit"  // send the form Form, filled in with Values, that a press of ID or a call in In opened
	DoFile    = "file"    // see the content of the file Name of the message ID
	DoHistory = "history" // see the last Earlier entries of the channel In
	DoWho     = "who"     // see who is here
)

// Request is a line from a client. The package comment shows the exchange.
type Request struct {
	Do       string `json:"do"`
	Delivery string `json:"delivery"`
	As       string `json:"as,omitempty"`
	In       string `json:"in,omitempty"`
	Text     string `json:"text,omitempty"`
	Thread   string `json:"thread,omitempty"` // ID of the message to answer under
	ID       string `json:"id,omitempty"`     // message whose button is pressed
	Button   string `json:"button,omitempty"`
	Choice   string `json:"choice,omitempty"` // value of the option
	Command  string `json:"command,omitempty"`
	Name     string `json:"name,omitempty"`    // of a file
	Earlier  int    `json:"earlier,omitempty"` // how many entries to look back

	Form   string            `json:"form,omitempty"`
	Values map[string]string `json:"values,omitempty"`
}

// What the server tells.
const (
	IsWelcome = "welcome"
	IsJoined  = "joined"
	IsMessage = "message" // a new entry
	IsUpdate  = "update"  // an entry with a higher revision
	IsSaid    = "said"    // what became of a say, call, press or submit; Text, Form and Problems are for its author alone
	IsFile    = "file"    // the Content of a file
	IsHistory = "history"
	IsWho     = "who"
	IsError   = "error"
)

// What becomes of a line or a press, in words of the wire.
const (
	Accepted  = "accepted"
	Ignored   = "ignored"
	Duplicate = "duplicate"
)

// Frame is a line from the server.
type Frame struct {
	Is          string   `json:"is"`
	Delivery    string   `json:"delivery,omitempty"` // of the request that this answers or stems from
	Protocol    int      `json:"protocol,omitempty"`
	Bot         string   `json:"bot,omitempty"`
	Prefix      string   `json:"prefix,omitempty"`
	As          string   `json:"as,omitempty"`
	In          string   `json:"in,omitempty"` // channel ID
	ID          string   `json:"id,omitempty"`
	Disposition string   `json:"disposition,omitempty"`
	Text        string   `json:"text,omitempty"`
	Entry       *Entry   `json:"entry,omitempty"`
	Entries     []Entry  `json:"entries,omitempty"` // oldest first
	People      []Person `json:"people,omitempty"`
	Name        string   `json:"name,omitempty"` // of a file
	Content     []byte   `json:"content,omitempty"`

	Form     *adapters.Form    `json:"form,omitempty"`     // to be filled in now
	Problems map[string]string `json:"problems,omitempty"` // of the submitted form, by the inputs' names
}

// Person is somebody who is here, and where.
type Person struct {
	Name     string   `json:"name"`
	Channels []string `json:"channels,omitempty"`
}

func dispositionWord(d adapters.Disposition) string {
	switch d {
	case adapters.Accepted:
		return Accepted
	case adapters.Duplicate:
		return Duplicate
	default:
		return Ignored
	}
}

// CleanName makes a valid name of any text, such as an operating system's login:
// lower case, other characters than names may have replaced by a dash.
func CleanName(s string) string {
	name := strings.Map(func(r rune) rune {
		if nameRune(r) {
			return unicode.ToLower(r)
		}
		return '-'
	}, strings.ToValidUTF8(s, "-"))
	name = strings.Trim(name, "-.")
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	if name == "" {
		return "somebody"
	}
	return name
}

// PersonName returns the name that s stands for, "@" before it or not.
func PersonName(s string) (string, error) {
	name := strings.ToLower(strings.TrimPrefix(s, "@"))
	if !validName(name) {
		return "", fmt.Errorf("%q is no name: use letters, digits, and . - _ (at most %d)", s, maxName)
	}
	return name, nil
}

// ChannelName returns the ID of the channel that s names, "#" before it or not.
// A direct channel, "@ann", is returned as it is.
func ChannelName(s string) (string, error) {
	if strings.HasPrefix(s, "@") {
		name, err := PersonName(s)
		return "@" + name, err
	}
	name := strings.ToLower(strings.TrimPrefix(s, "#"))
	if !validName(name) {
		return "", fmt.Errorf("%q is no channel: write # and letters, digits, and . - _ (at most %d), like #ops", s, maxName)
	}
	return "#" + name, nil
}

func validName(s string) bool {
	if s == "" || utf8.RuneCountInString(s) > maxName {
		return false
	}
	for _, r := range s {
		if !nameRune(r) {
			return false
		}
	}
	return true
}

func nameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '-' || r == '_'
}

// unmention cuts a mention of the bot off the start of a line: "@petrel run",
// "@petrel: run", "@Petrel, run".
func unmention(text, bot string) (rest string, mentioned bool) {
	text = strings.TrimSpace(text)
	at := "@" + bot
	if len(text) < len(at) || !strings.EqualFold(text[:len(at)], at) {
		return text, false
	}
	rest = text[len(at):]
	next, _ := utf8.DecodeRuneInString(rest)
	if rest != "" && nameRune(next) {
		return text, false // somebody else, whose name begins alike
	}
	return strings.TrimSpace(strings.TrimLeft(rest, ":,")), true
}
