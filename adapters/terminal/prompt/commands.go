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
/press N      press button N of the last message with buttons, or choose option N; N alone does it too
/save [N] [F] write file N of the last message with files, as F
/thread       answer under the last message, until /thread again
/history [N]  show the last messages of this channel
/who          who is here, and where
/quit         leave (also Ctrl-D)
//TEXT        say /TEXT
/BOT TEXT  the bot's own command`

// line does what a line asks for, and reports whether it was /quit.
func (c *conversation) line(text string) (quit bool) {
	text = strings.TrimRight(text, "\r\n")
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "" && c.dialog == nil:
		return false
	case len(text) > maxLineText:
		c.misunderstood(fmt.Sprintf("this line is too long: %d bytes, at most %d", len(text), maxLineText))
		return false
	case c.dialog != nil:
		c.dialog = c.dialogue(text)
		return false
	case strings.HasPrefix(trimmed, "//"):
		c.say(c.channel, trimmed[1:])
		return false
	case trimmed[0] == '/':
		return c.command(trimmed)
	}
	if n, err := strconv.Atoi(trimmed); err == nil && c.pressable() != nil {
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
	case "/save":
		c.save(rest)
	case "/" + c.bot:
		c.call(rest)
	case "/who":
		c.ask(terminal.Request{Do: terminal.DoWho})
	case "/help", "/?":
		c.note(strings.ReplaceAll(help, "BOT", c.bot))
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
	c.utter(r, text)
}

// call uses the bot's slash command.
func (c *conversation) call(text string) {
	r := terminal.Request{Do: terminal.DoCall, As: c.me, In: c.channel, Command: c.bot, Text: text}
	c.utter(r, strings.TrimSpace("/"+c.bot+" "+text))
}

// utter sends a line, and shows it at once on a terminal.
func (c *conversation) utter(r terminal.Request, line string) {
	delivery := c.ask(r)
	if !c.terminal {
		return // shown when the room has it
	}
	e := terminal.Entry{Channel: r.In, Thread: r.Thread, From: adapters.User{ID: c.me, Name: c.me}, Text: line}
	b := &block{entry: e, view: c.viewOf(e)}
	if c.lost {
		b.mark = "not sent yet"
	}
	c.byDelivery[delivery] = b
	c.show(b)
}

// dialogue gives a line to the present dialog. One that opens another gives way
// to it.
func (c *conversation) dialogue(text string) dialog {
	before := c.dialog
	next := before.line(text)
	if c.dialog != before {
		return c.dialog
	}
	return next
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
