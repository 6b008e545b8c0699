package prompt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

const help = `/as NAME      be somebody else
/in #CHANNEL  go to another channel
/dm [TEXT]    talk to the bot directly; with TEXT, just this line
/press N      press button N of the last message with buttons; N alone does too
/thread       answer under the last message, until /thread again
/history [N]  show the last messages of this channel
/who          who is here, and where
/quit         leave (also Ctrl-D)
//TEXT        say /TEXT`

// line does what a line asks for, and reports whether it was /quit.
func (c *conversation) line(text string) (quit bool) {
	text = strings.TrimRight(text, "\r\n")
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return false
	case len(text) > maxLineText:
		c.misunderstood(fmt.Sprintf("this line is too long: %d bytes, at most %d", len(text), maxLineText))
		return false
	case strings.HasPrefix(trimmed, "//"):
		c.say(c.channel, trimmed[1:])
		return false
	case trimmed[0] == '/':
		return c.command(trimmed)
	}
	if n, err := strconv.Atoi(trimmed); err == nil && c.buttons() != nil {
		c.press(n)
		return false
	}
	c.say(c.channel, text)
	return false
}

func (c *conversation) command(text string) (quit bool) {
	word, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "/as":
		c.as(rest)
	case "/in", "/join":
		c.in(rest)
	case "/dm":
		if rest == "" {
			c.in("@" + c.bot)
			break
		}
		c.say("@"+c.me, rest)
	case "/press":
		n, err := strconv.Atoi(rest)
		if err != nil {
			c.misunderstood("which button? Write its number: /press 1")
			break
		}
		c.press(n)
	case "/thread":
		c.toggleThread()
	case "/history":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 {
			n = 20
		}
		c.ask(terminal.Request{Do: terminal.DoHistory, As: c.me, In: c.channel, Earlier: n})
	case "/who":
		c.ask(terminal.Request{Do: terminal.DoWho})
	case "/help", "/?":
		c.note(help)
	case "/quit", "/exit":
		return true
	default:
		c.misunderstood(fmt.Sprintf("there is no %s here; /help lists what there is, //... says it as it is", word))
	}
	return false
}

// misunderstood says what is wrong with a line that was not sent.
func (c *conversation) misunderstood(text string) {
	c.note(text)
	c.outcome.NotUnderstood++
}

func (c *conversation) as(name string) {
	if name == "" {
		c.note("you are " + c.me)
		return
	}
	channel := c.channel
	if channel == "@"+c.me {
		channel = "@" + c.bot
	}
	if err := c.enter(name, channel); err != nil {
		c.misunderstood(err.Error())
	}
}

func (c *conversation) in(channel string) {
	if channel == "" {
		c.note("you are in " + c.placeName(c.channel))
		return
	}
	if err := c.enter(c.me, channel); err != nil {
		c.misunderstood(err.Error())
	}
}

// enter goes to a channel as a person.
func (c *conversation) enter(name, channel string) error {
	name, err := terminal.PersonName(name)
	if err != nil {
		return err
	}
	if channel, err = terminal.ChannelName(channel); err != nil {
		return err
	}
	switch {
	case name == c.bot:
		return fmt.Errorf("%s is the bot; be somebody else", name)
	case channel == "@"+c.bot:
		channel = "@" + name
	case channel[0] == '@' && channel != "@"+name:
		return fmt.Errorf("people here talk directly to @%s only, not to %s", c.bot, channel)
	}
	c.me, c.channel, c.thread = name, channel, ""
	n := 0
	if !c.visited[channel] {
		n = c.history()
	}
	c.ask(terminal.Request{Do: terminal.DoJoin, As: name, In: channel, Earlier: n})
	return nil
}

func (c *conversation) history() int {
	switch {
	case c.opt.History < 0 || (c.opt.History == 0 && !c.terminal):
		return 0
	case c.opt.History == 0:
		return 10
	default:
		return c.opt.History
	}
}

func (c *conversation) say(channel, text string) {
	r := terminal.Request{Do: terminal.DoSay, As: c.me, In: channel, Text: text}
	if channel == c.channel {
		r.Thread = c.thread
	}
	delivery := c.ask(r)
	if !c.terminal {
		return // shown when the room has it
	}
	e := terminal.Entry{Channel: channel, Thread: r.Thread, From: adapters.User{ID: c.me, Name: c.me}, Text: text}
	b := &block{entry: e, view: c.viewOf(e)}
	if c.lost {
		b.mark = "not sent yet"
	}
	c.byDelivery[delivery] = b
	c.show(b)
}

// buttons is the last message that has buttons, nil if there is none.
func (c *conversation) buttons() *block {
	for _, b := range slices.Backward(c.blocks) {
		if b.entry.Message != nil && len(b.entry.Message.Buttons) > 0 {
			return b
		}
	}
	return nil
}

func (c *conversation) press(n int) {
	b := c.buttons()
	if b == nil {
		c.misunderstood("there are no buttons to press")
		return
	}
	buttons := b.entry.Message.Buttons
	if n < 1 || n > len(buttons) {
		c.misunderstood(fmt.Sprintf("there is no button %d: 1 to %d", n, len(buttons)))
		return
	}
	button := buttons[n-1]
	c.note(fmt.Sprintf("%s presses %s on: %s", c.me, oneLine(button.Label), quoteOf(b.entry)))
	c.ask(terminal.Request{Do: terminal.DoPress, As: c.me, ID: b.entry.ID, Button: button.ID})
}

func (c *conversation) toggleThread() {
	if c.thread != "" {
		c.thread = ""
		c.note("back in " + c.placeName(c.channel))
		return
	}
	for _, b := range slices.Backward(c.blocks) {
		if b.entry.ID != "" && b.entry.Channel == c.channel {
			c.thread = b.entry.Thread
			if c.thread == "" {
				c.thread = b.entry.ID
			}
			if root := c.byID[c.thread]; root != nil {
				b = root
			}
			c.note("answering under: " + quoteOf(b.entry))
			return
		}
	}
	c.misunderstood("there is no message here to answer under")
}
