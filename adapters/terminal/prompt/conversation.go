package prompt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

const (
	keepBlocks  = 2000    // messages remembered for edits, quotes and buttons
	maxLineText = 1 << 17 // bytes of a line; well below what a session takes
)

// block is one message on display, or a note of the prompt itself.
type block struct {
	entry terminal.Entry
	view  view
	mark  string // said of a line that is not in the room yet
	note  string // for a note: its text; entry is empty
}

func (b *block) rows() []row {
	if b.note != "" {
		var out []row
		for _, l := range lines(b.note) {
			out = append(out, row{spans: []span{{"-- " + l, dim}}, hang: "   "})
		}
		return out
	}
	rows := render(b.entry, b.view)
	if b.mark != "" {
		last := &rows[len(rows)-1]
		last.spans = append(last.spans, span{" (" + b.mark + ")", dim})
	}
	return rows
}

// display is where blocks are shown.
type display interface {
	add(b *block)                  // at the bottom
	change(b *block, before []row) // b was shown as before
	look(prompt string)            // of the lines to come
	entered(line string)           // the person finished a line
	resized() <-chan struct{}      // the display wants to redraw; nil if never
	redraw()                       // after resized
}

// conversation is the state of a prompt. One goroutine owns it.
type conversation struct {
	opt      Options
	link     *link
	display  display
	terminal bool // lines are not waited for

	me, channel string // channel is an ID: "@ann" for ann's direct one
	thread      string
	bot, prefix string

	blocks     []*block
	byID       map[string]*block
	byDelivery map[string]*block // lines that the room has not confirmed
	visited    map[string]bool   // channels
	lost       bool
	hinted     bool

	dialog    dialog                      // takes the lines, in place of the room; may be nil
	asked     map[string]terminal.Request // by delivery: what may be answered by a form
	submitted map[string]*form            // by delivery
	downloads map[string]download         // by delivery

	pending *pending // what the next line waits for; nil on a terminal
	outcome Outcome
}

func newConversation(o Options, name string, isTerminal bool) *conversation {
	return &conversation{
		opt:        o,
		link:       newLink(o.Dial, o.GiveUp),
		terminal:   isTerminal,
		me:         name,
		bot:        "petrel",
		prefix:     "!",
		byID:       map[string]*block{},
		byDelivery: map[string]*block{},
		visited:    map[string]bool{},
		asked:      map[string]terminal.Request{},
		submitted:  map[string]*form{},
		downloads:  map[string]download{},
	}
}

// run talks until the input ends.
func (c *conversation) run(ctx context.Context, read func() (string, error)) (Outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	var owned sync.WaitGroup
	defer owned.Wait()
	defer cancel()
	gone := make(chan error, 1)
	owned.Go(func() { gone <- c.link.run(ctx) })
	lines, next := make(chan input), make(chan struct{}, 1)

	if err := c.enter(c.me, c.opt.Channel); err != nil {
		return c.outcome, err
	}
	c.display.look(c.promptText())
	// Blocked in a read that nothing can end, this one is not waited for.
	go reader(ctx, read, lines, next)
	return c.loop(ctx, lines, next, gone)
}

func (c *conversation) loop(ctx context.Context, lines <-chan input, next chan<- struct{}, gone <-chan error) (Outcome, error) {
	held, ended := false, false // a line was taken whose answer is awaited; there are no more
	for {
		if c.pending == nil {
			if ended && len(c.downloads) == 0 {
				c.dropDialog()
				return c.outcome, nil
			}
			if held && !ended {
				held = false
				c.display.look(c.promptText())
				next <- struct{}{}
			}
		}
		source := lines
		if c.pending != nil || ended {
			source = nil
		}
		select {
		case in := <-source:
			switch {
			case in.panic != nil:
				panic(in.panic)
			case in.err != nil && !errors.Is(in.err, io.EOF):
				return c.outcome, fmt.Errorf("read the input: %w", in.err)
			}
			if in.err == nil {
				c.display.entered(in.line)
			}
			quit := false
			if in.err == nil || in.line != "" {
				quit = c.line(in.line)
			}
			held, ended = true, in.err != nil || quit
		case n := <-c.link.news:
			c.heed(n)
		case err := <-gone:
			if err != nil && c.pending != nil {
				c.finish(adapters.StateFailed)
			}
			if err == nil {
				err = context.Cause(ctx)
			}
			return c.outcome, err
		case <-c.pending.expired():
			c.note(fmt.Sprintf("no last answer within %s; %s may still be at it", c.opt.Timeout, c.bot))
			c.finish(adapters.StateFailed)
		case text, ok := <-c.opt.Notices:
			if !ok {
				c.opt.Notices = nil
				continue
			}
			c.note(text)
		case <-c.display.resized():
			c.display.redraw()
		case <-ctx.Done():
			return c.outcome, context.Cause(ctx)
		}
	}
}

// heed takes in what the room says.
func (c *conversation) heed(n news) {
	switch {
	case n.lost != nil:
		c.lost = true
		c.note("connection lost, trying again: " + n.lost.Error())
		for _, b := range c.byDelivery {
			c.remark(b, "not sent yet")
		}
	case n.again:
		c.lost = false
		c.note("connected again")
	case n.frame != nil:
		c.frame(*n.frame)
	}
}

func (c *conversation) frame(f terminal.Frame) {
	switch f.Is {
	case terminal.IsWelcome:
		c.bot, c.prefix = f.Bot, f.Prefix
	case terminal.IsJoined:
		c.joined(f)
	case terminal.IsHistory:
		c.earlier(f)
		c.answered(f.Delivery)
	case terminal.IsMessage, terminal.IsUpdate:
		if f.Entry != nil {
			c.merge(*f.Entry, f.Delivery)
		}
	case terminal.IsSaid:
		c.said(f)
	case terminal.IsFile:
		c.arrived(f)
	case terminal.IsWho:
		c.who(f.People)
		c.answered(f.Delivery)
	case terminal.IsError:
		c.refused(f)
	}
}

// joined shows where we are. After a lost connection it brings what was missed.
func (c *conversation) joined(f terminal.Frame) {
	if strings.HasPrefix(f.Delivery, "again-") {
		for _, e := range f.Entries {
			c.merge(e, "")
		}
		return
	}
	c.visited[f.In] = true
	c.earlier(f)
	c.answered(f.Delivery)
}

func (c *conversation) earlier(f terminal.Frame) {
	fresh := slices.DeleteFunc(f.Entries, func(e terminal.Entry) bool { return c.byID[e.ID] != nil })
	if len(fresh) == 0 {
		if f.Is == terminal.IsHistory {
			c.note("nothing more in " + c.placeName(f.In))
		}
		return
	}
	c.note("earlier in " + c.placeName(f.In))
	for _, e := range fresh {
		c.merge(e, "")
	}
	c.note("now")
}

// merge takes in an entry: a new one, a changed one, or one known already.
func (c *conversation) merge(e terminal.Entry, delivery string) {
	b := c.byID[e.ID]
	own := c.byDelivery[delivery]
	switch {
	case b != nil && e.Rev <= b.entry.Rev:
		return
	case b != nil:
		before := b.rows()
		b.entry = e
		c.display.change(b, before)
	case own != nil:
		// Our own line, shown when it was typed.
		before := own.rows()
		own.entry, own.mark = e, ""
		delete(c.byDelivery, delivery)
		c.byID[e.ID] = own
		c.display.change(own, before)
	default:
		b = &block{entry: e, view: c.viewOf(e)}
		c.byID[e.ID] = b
		c.show(b)
		if !c.terminal && c.opt.Files != "" {
			for _, f := range e.Files {
				c.download(e, f.Name, "")
			}
		}
	}
	c.pending.observe(e, delivery)
	c.conclude()
}

// viewOf settles how a message is placed at the bottom of what is shown now.
func (c *conversation) viewOf(e terminal.Entry) view {
	v := view{me: c.me}
	if e.Channel != c.channel {
		v.channel = c.placeName(e.Channel)
	}
	if e.Thread == "" {
		return v
	}
	if last := c.lastMessage(); last != nil && (last.entry.ID == e.Thread || last.entry.Thread == e.Thread) {
		return v
	}
	v.quote = "…"
	if root := c.byID[e.Thread]; root != nil {
		v.quote = quoteOf(root.entry)
	}
	return v
}

// lastMessage is the message at the bottom; nil when a note is there.
func (c *conversation) lastMessage() *block {
	if len(c.blocks) == 0 || c.blocks[len(c.blocks)-1].note != "" {
		return nil
	}
	return c.blocks[len(c.blocks)-1]
}

func (c *conversation) show(b *block) {
	if len(c.blocks) >= keepBlocks {
		for _, old := range c.blocks[:keepBlocks/2] {
			delete(c.byID, old.entry.ID)
		}
		c.blocks = slices.Clone(c.blocks[keepBlocks/2:])
	}
	c.blocks = append(c.blocks, b)
	c.display.add(b)
}

func (c *conversation) note(text string) { c.show(&block{note: text}) }

func (c *conversation) remark(b *block, mark string) {
	before := b.rows()
	b.mark = mark
	c.display.change(b, before)
}

// placeName is the channel as the present person calls it.
func (c *conversation) placeName(channel string) string {
	name, direct := strings.CutPrefix(channel, "@")
	switch {
	case !direct:
		return channel
	case name == c.me:
		return "@" + c.bot
	default:
		return "@" + c.bot + " to " + name
	}
}

func (c *conversation) promptText() string {
	if c.dialog != nil {
		return c.dialog.ask()
	}
	t := ""
	if c.thread != "" {
		t = " ↳"
	}
	return c.me + " " + c.placeName(c.channel) + t + "> "
}

// said takes in what became of a line, a press or a form.
func (c *conversation) said(f terminal.Frame) {
	request, sent := c.asked[f.Delivery], c.submitted[f.Delivery]
	delete(c.asked, f.Delivery)
	delete(c.submitted, f.Delivery)
	if f.Text != "" {
		c.note(f.Text)
	}
	switch {
	case f.Form != nil:
		c.answered(f.Delivery)
		c.open(f.Form, request, f.ID)
	case len(f.Problems) > 0 && sent != nil:
		c.answered(f.Delivery)
		sent.again(f.Problems)
	case f.Disposition == terminal.Ignored:
		c.ignored(f, request)
	case c.pending.is(f.Delivery):
		c.pending.id, c.pending.accepted = f.ID, true
		c.conclude()
	}
}

// ignored takes in that nothing more will come.
func (c *conversation) ignored(f terminal.Frame, r terminal.Request) {
	mine := c.pending.is(f.Delivery)
	if r.Do == terminal.DoSay && f.Text == "" && (mine || !c.hinted) {
		c.note(fmt.Sprintf("nobody was addressed: start with %s or @%s, or talk to it with /dm", c.prefix, c.bot))
		c.hinted = true
	}
	if mine {
		c.finish(adapters.StateRefused)
	}
}

// begin makes a dialog take the next line.
func (c *conversation) begin(d dialog) {
	c.dialog = d
	c.display.look(c.promptText())
}

// dropDialog says that a dialog ended with the input.
func (c *conversation) dropDialog() {
	if c.dialog == nil {
		return
	}
	c.dialog = nil
	c.misunderstood("the input ended before everything was answered; nothing was sent")
}

// refused takes in an error.
func (c *conversation) refused(f terminal.Frame) {
	delete(c.asked, f.Delivery)
	if b := c.byDelivery[f.Delivery]; b != nil {
		delete(c.byDelivery, f.Delivery)
		c.remark(b, "not accepted")
	}
	if _, file := c.downloads[f.Delivery]; file {
		delete(c.downloads, f.Delivery)
		c.outcome.NotUnderstood++
	}
	c.note(f.Text)
	if d := c.submitted[f.Delivery]; d != nil {
		delete(c.submitted, f.Delivery)
		d.again(nil)
	}
	if c.pending.is(f.Delivery) {
		state := adapters.StateFailed
		if c.pending.local {
			state = adapters.StateRefused
		}
		c.finish(state)
	}
}

func (c *conversation) who(people []terminal.Person) {
	for _, p := range people {
		text := p.Name
		if p.Name == c.me {
			text += " (you)"
		}
		if len(p.Channels) > 0 {
			text += ": " + strings.Join(p.Channels, " ")
		}
		c.note(text)
	}
}

// ask sends a request and, on a pipe, makes the next line wait for its end.
func (c *conversation) ask(r terminal.Request) string {
	r.Delivery = rand.Text()
	switch r.Do {
	case terminal.DoSay, terminal.DoCall, terminal.DoPress, terminal.DoSubmit:
		c.asked[r.Delivery] = r
	}
	if !c.terminal {
		c.pending = newPending(r, c.opt.Timeout)
		if b := c.byID[r.ID]; b != nil && b.entry.Message != nil {
			c.pending.wasFinal, c.pending.root = b.entry.Message.State.Final(), b.entry.Message.InReplyTo
		}
	}
	c.link.ask(r)
	return r.Delivery
}
