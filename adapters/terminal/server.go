package terminal

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"petrel/adapters"
)

// Options sets up a room. Every field may be left out.
type Options struct {
	Journal Journal          // default: a MemoryJournal
	Logger  *slog.Logger     // default: none
	Clock   func() time.Time // default: time.Now
	Name    string           // of the adapter; default "terminal"
	BotName string           // default "petrel"
	Prefix  string           // told to clients for their hints; default "!"

	// Patience is how long a line waits for the program to listen (Run) before
	// the person is told that nobody does. Default 10 s.
	Patience time.Duration
}

// Server is the room: the chat platform and its adapter in one.
type Server struct {
	opt Options

	mu       sync.Mutex
	listener *listener     // who hears the events; nil before and after Run
	changed  chan struct{} // closed and renewed whenever listener changes
	sessions map[*session]struct{}
	lanes    map[string]*lane
	last     time.Time // of the newest entry
	answers  answers
}

// listener is one call of Run.
type listener struct {
	ctx     context.Context
	handler adapters.Handler
	calls   sync.WaitGroup
}

// lane keeps the order within one channel. hear is held while a person's line is
// recorded and handed over, so that events come in the order of the messages;
// post while an entry is recorded and shown, so that everybody sees one order.
// hear is taken before post; a handler may call Send.
type lane struct{ hear, post sync.Mutex }

var _ adapters.Adapter = (*Server)(nil)

// New returns an empty room.
func New(o Options) *Server {
	if o.Journal == nil {
		o.Journal = &MemoryJournal{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Name = cmp.Or(o.Name, "terminal")
	o.BotName = CleanName(cmp.Or(o.BotName, "petrel"))
	o.Prefix = cmp.Or(o.Prefix, "!")
	o.Patience = cmp.Or(o.Patience, 10*time.Second)
	return &Server{
		opt:      o,
		changed:  make(chan struct{}),
		sessions: map[*session]struct{}{},
		lanes:    map[string]*lane{},
	}
}

// Name implements adapters.Adapter.
func (s *Server) Name() string { return s.opt.Name }

// Capabilities implements adapters.Adapter: a terminal shows everything. What
// it can show at a glance is another matter, hence MaxText.
func (s *Server) Capabilities() adapters.Capabilities {
	return adapters.Capabilities{
		Threads: true, Edit: true, Buttons: true, Selects: true, Forms: true, Ephemeral: true, EditPrivate: true,
		Files: true, Commands: true, MaxText: maxText, MaxFile: maxFile, EditEvery: 200,
	}
}

// Run hands events to h until ctx ends. Sessions are served by Serve, before,
// during and after; what is said while nobody runs is refused after
// Options.Patience. Run may be called again, but not twice at once.
func (s *Server) Run(ctx context.Context, h adapters.Handler) error {
	l := &listener{ctx: ctx, handler: h}
	s.mu.Lock()
	if s.listener != nil {
		s.mu.Unlock()
		return errors.New("terminal: Run is called twice at once")
	}
	s.setListener(l)
	s.mu.Unlock()

	<-ctx.Done()

	s.mu.Lock()
	s.setListener(nil)
	s.mu.Unlock()
	l.calls.Wait()
	return nil
}

// setListener needs s.mu.
func (s *Server) setListener(l *listener) {
	s.listener = l
	close(s.changed)
	s.changed = make(chan struct{})
}

// errNobodyListens: the program is starting or stopping.
var errNobodyListens = errors.New("the program is not listening")

// handle gives an event to whoever runs, and waits for somebody if need be.
func (s *Server) handle(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opt.Patience, errNobodyListens)
	defer cancel()
	for {
		s.mu.Lock()
		l, changed := s.listener, s.changed
		if l != nil && l.ctx.Err() != nil {
			l = nil
		}
		if l != nil {
			l.calls.Add(1)
		}
		s.mu.Unlock()
		if l != nil {
			// The listener's context, not the session's: a line that was received
			// is handled even if its connection breaks meanwhile.
			d, err := l.handler.Handle(l.ctx, e)
			l.calls.Done()
			if err == nil || l.ctx.Err() == nil {
				return d, err
			}
			// It was stopping; the next one, if any, gets the event again.
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return adapters.Answer{}, context.Cause(ctx)
		}
	}
}

// Send implements adapters.Adapter. To.Channel is "#ops", "ops" or "@ann". An
// answer to an answer goes into the same thread.
func (s *Server) Send(ctx context.Context, m adapters.Message) (adapters.Ref, error) {
	channel, err := ChannelName(m.To.Channel)
	if err != nil {
		return adapters.Ref{}, fmt.Errorf("send: %w", err)
	}
	e := Entry{
		ID:      entryID("sent", cmp.Or(m.Key, rand.Text())),
		Channel: channel,
		From:    adapters.User{ID: s.opt.BotName, Name: s.opt.BotName, Bot: true},
	}
	if m.To.Private != "" {
		if e.Private, err = PersonName(m.To.Private); err != nil {
			return adapters.Ref{}, fmt.Errorf("send: %w", err)
		}
	}
	if e.Thread, err = s.threadOf(ctx, channel, m.To.Thread); err != nil {
		return adapters.Ref{}, fmt.Errorf("send: %w", err)
	}
	if e.Files, err = s.keepFiles(ctx, e.ID, m.Files); err != nil {
		return adapters.Ref{}, fmt.Errorf("send: %w", err)
	}
	m.To = adapters.Target{Channel: channel, Thread: e.Thread, Private: e.Private}
	e.Message = clone(m)
	if e, _, err = s.post(ctx, e, ""); err != nil {
		return adapters.Ref{}, fmt.Errorf("send: %w", sendError(m.Key, err))
	}
	return adapters.Ref{Channel: e.Channel, Message: e.ID}, nil
}

// Update implements adapters.Adapter. The message stays where it is; its To and
// Key are not changed, nor its InReplyTo when m has none.
func (s *Server) Update(ctx context.Context, ref adapters.Ref, m adapters.Message) error {
	return s.change(ctx, "update", ref, func(e *Entry) error {
		if e.Message == nil {
			return fmt.Errorf("it is a line of %s", e.From.Name)
		}
		m.To, m.Key, m.InReplyTo = e.Message.To, e.Message.Key, cmp.Or(m.InReplyTo, e.Message.InReplyTo)
		e.Message, e.Edited = clone(m), s.now()
		return nil
	})
}

// change replaces an entry by what edit makes of it, and shows it.
func (s *Server) change(ctx context.Context, what string, ref adapters.Ref, edit func(*Entry) error) error {
	e, err := s.opt.Journal.Get(ctx, ref.Message)
	if err != nil {
		return fmt.Errorf("%s message %s: %w", what, ref.Message, updateError(err))
	}
	l := s.lane(e.Channel)
	l.post.Lock()
	defer l.post.Unlock()
	if e, err = s.opt.Journal.Get(ctx, ref.Message); err != nil {
		return fmt.Errorf("%s message %s: %w", what, ref.Message, updateError(err))
	}
	if err := edit(&e); err != nil {
		return fmt.Errorf("%s message %s: %w", what, ref.Message, err)
	}
	e.Rev++
	if err := s.opt.Journal.Replace(ctx, e); err != nil {
		return fmt.Errorf("%s message %s: %w", what, ref.Message, updateError(err))
	}
	s.show(Frame{Is: IsUpdate, Entry: &e})
	return nil
}

// clone copies a message, without its files: the caller may go on changing its
// own.
func clone(m adapters.Message) *adapters.Message {
	m.Blocks, m.Buttons, m.Selects, m.Files = slices.Clone(m.Blocks), slices.Clone(m.Buttons), slices.Clone(m.Selects), nil
	for i := range m.Blocks {
		m.Blocks[i].Fields = slices.Clone(m.Blocks[i].Fields)
	}
	return &m
}

// sendError says what may be done about a failed append. Without a key a second
// attempt could make a second message.
func sendError(key string, err error) error {
	if key == "" {
		return fmt.Errorf("%w: %w", adapters.ErrOutcomeUnknown, err)
	}
	return &adapters.RetryError{After: time.Second, Err: err}
}

func updateError(err error) error {
	if errors.Is(err, ErrNoEntry) {
		return err
	}
	return &adapters.RetryError{After: time.Second, Err: err}
}

// post records an entry and shows it to everybody who may see it, once. It
// returns the entry as recorded, by this call or an earlier one.
func (s *Server) post(ctx context.Context, e Entry, delivery string) (Entry, bool, error) {
	l := s.lane(e.Channel)
	l.post.Lock()
	defer l.post.Unlock()
	e.Time = s.now()
	added, err := s.opt.Journal.Append(ctx, e)
	if err != nil {
		return Entry{}, false, err
	}
	if !added {
		if e, err = s.opt.Journal.Get(ctx, e.ID); err != nil {
			return Entry{}, false, err
		}
		// Whoever is here may not have seen it: an earlier Append can have kept the
		// entry and failed all the same. To others it is no news.
		s.show(Frame{Is: IsMessage, Delivery: delivery, Entry: &e})
		return e, false, nil
	}
	s.show(Frame{Is: IsMessage, Delivery: delivery, Entry: &e})
	return e, true, nil
}

// show gives a frame to the sessions that see its entry.
func (s *Server) show(f Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ses := range s.sessions {
		if ses.sees(*f.Entry) {
			ses.push(f)
		}
	}
}

// threadOf returns the thread that an answer to the message belongs to. One that
// the journal no longer knows is taken as it is.
func (s *Server) threadOf(ctx context.Context, channel, message string) (string, error) {
	if message == "" {
		return "", nil
	}
	e, err := s.opt.Journal.Get(ctx, message)
	switch {
	case errors.Is(err, ErrNoEntry):
		return message, nil
	case err != nil:
		return "", &adapters.RetryError{After: time.Second, Err: err}
	case e.Channel != channel:
		return "", fmt.Errorf("thread %s is in %s, not in %s", message, e.Channel, channel)
	}
	return cmp.Or(e.Thread, e.ID), nil
}

func (s *Server) lane(channel string) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[channel]
	if l == nil {
		l = &lane{}
		s.lanes[channel] = l
	}
	return l
}

// now is the time, a microsecond after the last answer at least: entries are
// ordered by it.
func (s *Server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.opt.Clock().UTC().Truncate(time.Microsecond)
	if !t.After(s.last) {
		t = s.last.Add(time.Microsecond)
	}
	s.last = t
	return t
}

// entryID derives the ID of a message from what makes it one message.
func entryID(kind, key string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return "m" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}
