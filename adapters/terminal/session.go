package terminal

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"petrel/adapters"
)

const (
	queueLength   = 1024             // frames that a session may lag behind
	writePatience = 30 * time.Second // for one frame
	rememberLast  = 4096             // answers kept for redelivered lines
)

// Serve accepts sessions until ctx ends or the listener fails, closes the
// listener, and returns when all its sessions have ended: nil, or why accepting
// failed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var sessions sync.WaitGroup
	defer sessions.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("terminal: accept a session on %s: %w", l.Addr(), err)
		}
		sessions.Go(func() { s.ServeConn(ctx, conn) })
	}
}

// ServeConn serves one session on conn until ctx ends or the other end closes.
// It closes conn.
func (s *Server) ServeConn(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ses := &session{
		server:   s,
		out:      make(chan Frame, queueLength),
		cancel:   cancel,
		people:   map[string]bool{},
		channels: map[string]bool{},
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	var writer sync.WaitGroup
	writer.Go(func() { defer cancel(); ses.write(ctx, conn) })
	defer writer.Wait()
	defer cancel()

	s.mu.Lock()
	s.sessions[ses] = struct{}{}
	ses.push(Frame{Is: IsWelcome, Protocol: Protocol, Bot: s.opt.BotName, Prefix: s.opt.Prefix})
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.sessions, ses)
		s.mu.Unlock()
	}()
	ses.read(ctx, conn)
}

// session is one connection: a prompt, in which several people may speak in
// turn. people and channels are guarded by Server.mu.
type session struct {
	server   *Server
	out      chan Frame
	cancel   context.CancelFunc
	people   map[string]bool
	channels map[string]bool
}

// sees needs Server.mu.
func (ses *session) sees(e Entry) bool {
	if e.Private != "" {
		return ses.people[e.Private]
	}
	if name, direct := strings.CutPrefix(e.Channel, "@"); direct {
		return ses.people[name]
	}
	return ses.channels[e.Channel]
}

// push queues a frame. A session that lags too far behind is ended: it can join
// again and see what it missed.
func (ses *session) push(f Frame) {
	select {
	case ses.out <- f:
	default:
		ses.cancel()
	}
}

func (ses *session) write(ctx context.Context, conn net.Conn) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-ses.out:
			line.Reset()
			if err := enc.Encode(f); err != nil {
				ses.server.opt.Logger.Error("frame not encoded", "adapter", ses.server.opt.Name, "error", err)
				continue
			}
			if err := conn.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
				return
			}
			if _, err := conn.Write(line.Bytes()); err != nil {
				return
			}
		}
	}
}

func (ses *session) read(ctx context.Context, conn net.Conn) {
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 4096), MaxRequest)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var r Request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			ses.push(Frame{Is: IsError, Text: "this is no request: " + err.Error()})
			continue
		}
		// A request cut off by the end of the session stays unanswered: the client
		// sends it again.
		if err := ses.do(ctx, r); err != nil && ctx.Err() == nil {
			ses.push(Frame{Is: IsError, Delivery: r.Delivery, Text: err.Error()})
		}
		if ctx.Err() != nil {
			return
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		ses.server.opt.Logger.Warn("session ended: request too long", "adapter", ses.server.opt.Name, "limit", MaxRequest)
	}
}

func (ses *session) do(ctx context.Context, r Request) error {
	if r.Delivery == "" || len(r.Delivery) > MaxDelivery {
		return fmt.Errorf("a request needs a delivery of 1 to %d bytes", MaxDelivery)
	}
	switch r.Do {
	case DoJoin:
		return ses.join(ctx, r)
	case DoSay:
		return ses.say(ctx, r)
	case DoCall:
		return ses.call(ctx, r)
	case DoPress:
		return ses.press(ctx, r)
	case DoSubmit:
		return ses.submit(ctx, r)
	case DoFile:
		return ses.file(ctx, r)
	case DoHistory:
		return ses.history(ctx, r)
	case DoWho:
		ses.who(r)
		return nil
	default:
		return fmt.Errorf("unknown request %q: use join, say, call, press, submit, file, history or who", r.Do)
	}
}

// place checks who speaks where. People cannot be the bot, nor read what others
// discuss with it.
func (ses *session) place(r Request) (name, channel string, err error) {
	bot := ses.server.opt.BotName
	if name, err = PersonName(r.As); err != nil {
		return "", "", err
	}
	if name == bot {
		return "", "", fmt.Errorf("%s is the bot; be somebody else", name)
	}
	if channel, err = ChannelName(r.In); err != nil {
		return "", "", err
	}
	switch channel {
	case "@" + bot:
		channel = "@" + name
	case "@" + name:
	default:
		if channel[0] == '@' {
			return "", "", fmt.Errorf("people here talk directly to @%s only, not to %s", bot, channel)
		}
	}
	return name, channel, nil
}

// enter makes the session see a channel as a person. It needs Server.mu.
func (ses *session) enter(name, channel string) {
	ses.people[name] = true
	ses.channels[channel] = true
}

func (ses *session) join(ctx context.Context, r Request) error {
	name, channel, err := ses.place(r)
	if err != nil {
		return err
	}
	// No entry is recorded between the look back and the first one shown.
	l := ses.server.lane(channel)
	l.post.Lock()
	defer l.post.Unlock()
	entries, err := ses.recent(ctx, name, channel, r.Earlier)
	if err != nil {
		return err
	}
	ses.server.mu.Lock()
	defer ses.server.mu.Unlock()
	ses.enter(name, channel)
	ses.push(Frame{Is: IsJoined, Delivery: r.Delivery, As: name, In: channel, Entries: entries})
	return nil
}

func (ses *session) history(ctx context.Context, r Request) error {
	name, channel, err := ses.place(r)
	if err != nil {
		return err
	}
	l := ses.server.lane(channel)
	l.post.Lock()
	defer l.post.Unlock()
	entries, err := ses.recent(ctx, name, channel, r.Earlier)
	if err != nil {
		return err
	}
	ses.push(Frame{Is: IsHistory, Delivery: r.Delivery, As: name, In: channel, Entries: entries})
	return nil
}

// recent returns the last entries of a channel that the person sees.
func (ses *session) recent(ctx context.Context, name, channel string, n int) ([]Entry, error) {
	if n <= 0 {
		return nil, nil
	}
	entries, err := ses.server.opt.Journal.Recent(ctx, channel, min(n, MaxEarlier))
	if err != nil {
		return nil, fmt.Errorf("the history of %s cannot be read: %w", channel, err)
	}
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.Private != "" && e.Private != name }), nil
}

func (ses *session) who(r Request) {
	s := ses.server
	s.mu.Lock()
	defer s.mu.Unlock()
	where := map[string]map[string]bool{}
	for other := range s.sessions {
		for name := range other.people {
			if where[name] == nil {
				where[name] = map[string]bool{}
			}
			for channel := range other.channels {
				if channel[0] == '#' {
					where[name][channel] = true
				}
			}
		}
	}
	var people []Person
	for name, channels := range where {
		people = append(people, Person{Name: name, Channels: slices.Sorted(maps.Keys(channels))})
	}
	slices.SortFunc(people, func(a, b Person) int { return cmp.Compare(a.Name, b.Name) })
	ses.push(Frame{Is: IsWho, Delivery: r.Delivery, People: people})
}

func (ses *session) say(ctx context.Context, r Request) error {
	if strings.TrimSpace(r.Text) == "" {
		return errors.New("there is nothing in this line")
	}
	return ses.utter(ctx, r, r.Text, func(ev *adapters.Event) {
		ev.Kind = adapters.MessagePosted
		ev.Text, ev.Mentioned = unmention(r.Text, ses.server.opt.BotName)
	})
}

// call uses the room's one slash command, which has the name of the bot.
// Everybody in the channel sees that.
func (ses *session) call(ctx context.Context, r Request) error {
	if r.Command != ses.server.opt.BotName {
		return fmt.Errorf("there is no command /%s here; there is /%s", r.Command, ses.server.opt.BotName)
	}
	r.Thread = ""
	return ses.utter(ctx, r, strings.TrimSpace("/"+r.Command+" "+r.Text), func(ev *adapters.Event) {
		ev.Kind, ev.Opens = adapters.CommandCalled, true
		ev.Command, ev.Text = r.Command, strings.TrimSpace(r.Text)
	})
}

// utter records a line and hands over the event that it is.
func (ses *session) utter(ctx context.Context, r Request, line string, fill func(*adapters.Event)) error {
	s := ses.server
	name, channel, err := ses.place(r)
	if err != nil {
		return err
	}
	l := s.lane(channel)
	l.hear.Lock()
	defer l.hear.Unlock()
	s.mu.Lock()
	ses.enter(name, channel)
	s.mu.Unlock()

	e := Entry{ID: entryID("said", r.Delivery), Channel: channel, From: adapters.User{ID: name, Name: name}, Text: line}
	if e.Thread, err = s.threadOf(ctx, channel, r.Thread); err != nil {
		return s.notAccepted(err)
	}
	recorded, added, err := s.post(ctx, e, r.Delivery)
	if err != nil {
		return s.notAccepted(err)
	}
	if !added {
		if recorded.From != e.From || recorded.Channel != e.Channel || recorded.Text != e.Text {
			return fmt.Errorf("delivery %s was another line; every line needs its own", r.Delivery)
		}
		ses.push(Frame{Is: IsMessage, Delivery: r.Delivery, Entry: &recorded})
	}
	ev := s.event(recorded.Channel, recorded.From, recorded.Time)
	ev.DeliveryID, ev.Message, ev.Thread = r.Delivery, recorded.ID, recorded.Thread
	fill(&ev)
	return ses.deliver(ctx, ev)
}

func (ses *session) press(ctx context.Context, r Request) error {
	s := ses.server
	name, err := PersonName(r.As)
	if err != nil {
		return err
	}
	e, err := s.visible(ctx, name, r.ID)
	if err != nil {
		return err
	}
	// A redelivery is let through: its first delivery may have removed the button.
	switch {
	case e.Message == nil:
		return fmt.Errorf("there is no message %s with a button for %s", r.ID, name)
	case !offers(e.Message, r.Button, r.Choice) && !s.answered(r.Delivery):
		return errors.New("this button is no longer there")
	}
	return ses.act(ctx, name, e, r.Delivery, func(ev *adapters.Event) {
		ev.Kind, ev.Opens = adapters.ButtonPressed, true
		ev.Button, ev.Choice = r.Button, r.Choice
	})
}

// offers reports whether a message has a button, or a select with an option.
func offers(m *adapters.Message, id, choice string) bool {
	if choice == "" {
		return slices.ContainsFunc(m.Buttons, func(b adapters.Button) bool { return b.ID == id })
	}
	return slices.ContainsFunc(m.Selects, func(s adapters.Select) bool {
		return s.ID == id && slices.ContainsFunc(s.Options, func(o adapters.Option) bool { return o.Value == choice })
	})
}

// submit hands over a form that was filled in. What the form is about is known
// to whoever opened it.
func (ses *session) submit(ctx context.Context, r Request) error {
	s := ses.server
	name, err := PersonName(r.As)
	if err != nil {
		return err
	}
	if r.Form == "" {
		return errors.New("a submission needs the ID of its form")
	}
	e, err := s.visible(ctx, name, r.ID)
	if err != nil {
		return err
	}
	return ses.act(ctx, name, e, r.Delivery, func(ev *adapters.Event) {
		ev.Kind, ev.Form, ev.Values = adapters.FormSubmitted, r.Form, r.Values
	})
}

// visible returns a message that a person may do something with.
func (s *Server) visible(ctx context.Context, name, id string) (Entry, error) {
	e, err := s.opt.Journal.Get(ctx, id)
	if err != nil && !errors.Is(err, ErrNoEntry) {
		return e, s.notAccepted(err)
	}
	direct := e.Channel != "" && e.Channel[0] == '@' && e.Channel != "@"+name
	if err != nil || direct || (e.Private != "" && e.Private != name) {
		return e, fmt.Errorf("there is no message %s for %s", id, name)
	}
	return e, nil
}

// act hands over what a person did with a message.
func (ses *session) act(ctx context.Context, name string, e Entry, delivery string, fill func(*adapters.Event)) error {
	s := ses.server
	l := s.lane(e.Channel)
	l.hear.Lock()
	defer l.hear.Unlock()
	s.mu.Lock()
	ses.enter(name, e.Channel)
	s.mu.Unlock()

	ev := s.event(e.Channel, adapters.User{ID: name, Name: name}, s.now())
	ev.DeliveryID, ev.Message, ev.Thread = delivery, e.ID, e.Thread
	fill(&ev)
	return ses.deliver(ctx, ev)
}

func (s *Server) event(channel string, who adapters.User, at time.Time) adapters.Event {
	return adapters.Event{
		Adapter: s.opt.Name,
		Time:    at,
		User:    who,
		Channel: adapters.Channel{ID: channel, Name: channel, Direct: channel[0] == '@'},
	}
}

// deliver hands an event over and tells the session what becomes of it.
func (ses *session) deliver(ctx context.Context, ev adapters.Event) error {
	s := ses.server
	answer, err := s.handle(ctx, ev)
	if err != nil {
		s.opt.Logger.Warn("event not accepted", "adapter", s.opt.Name, "channel", ev.Channel.Name, "user", ev.User.Name, "error", err)
		return s.notAccepted(err)
	}
	s.mu.Lock()
	// A duplicate is answered as the first time, when that is still known.
	answer = s.answers.settle(ev.DeliveryID, answer)
	s.mu.Unlock()
	if !ev.Opens {
		answer.Form = nil
	}
	ses.push(Frame{
		Is: IsSaid, Delivery: ev.DeliveryID, ID: ev.Message, Disposition: dispositionWord(answer.Disposition),
		Text: answer.Note, Form: answer.Form, Problems: answer.Problems,
	})
	return nil
}

func (s *Server) notAccepted(err error) error {
	return fmt.Errorf("%s is busy, not accepted: %w", s.opt.BotName, err)
}

func (s *Server) answered(delivery string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.answers.of[delivery]
	return known
}

// answers remembers what the last deliveries were answered.
type answers struct {
	of    map[string]adapters.Answer
	order []string
}

func (a *answers) settle(delivery string, now adapters.Answer) adapters.Answer {
	if first, known := a.of[delivery]; known {
		if now.Disposition == adapters.Duplicate {
			return first
		}
		a.of[delivery] = now
		return now
	}
	if a.of == nil {
		a.of = map[string]adapters.Answer{}
	}
	if len(a.order) == rememberLast {
		delete(a.of, a.order[0])
		a.order = a.order[1:]
	}
	a.of[delivery], a.order = now, append(a.order, delivery)
	return now
}
