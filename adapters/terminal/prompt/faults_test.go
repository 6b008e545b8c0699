package prompt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

type handlerFunc func(context.Context, adapters.Event) (adapters.Answer, error)

func (f handlerFunc) Handle(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
	return f(ctx, e)
}

// house is a room that can be left, closed and opened again; its messages stay.
type house struct {
	t       *testing.T
	journal terminal.MemoryJournal
	handler func(room *terminal.Server) handlerFunc

	mu    sync.Mutex
	room  *terminal.Server // nil while it is closed
	ctx   context.Context
	close func()
	conns []net.Conn
}

func (h *house) open() {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := terminal.New(terminal.Options{Journal: &h.journal})
	ctx, cancel := context.WithCancel(context.Background())
	h.room, h.ctx = room, ctx
	var running sync.WaitGroup
	running.Go(func() {
		if err := room.Run(ctx, h.handler(room)); err != nil {
			h.t.Errorf("run: %v", err)
		}
	})
	h.close = func() { cancel(); running.Wait() }
}

// dial connects over a pipe within the process.
func (h *house) dial(context.Context) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.room == nil {
		return nil, errors.New("the room is closed")
	}
	here, there := net.Pipe()
	h.conns = append(h.conns, here)
	room, ctx := h.room, h.ctx
	go room.ServeConn(ctx, there)
	return here, nil
}

// drop cuts all connections.
func (h *house) drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		c.Close()
	}
	h.conns = nil
}

// shut closes the room.
func (h *house) shut() {
	h.mu.Lock()
	h.room = nil
	end := h.close
	h.mu.Unlock()
	end()
}

func (h *house) run(ctx context.Context, o Options) (string, Outcome, error) {
	var out bytes.Buffer
	o.Dial, o.Out, o.Name = h.dial, &out, "ann"
	outcome, err := Run(ctx, o)
	return out.String(), outcome, err
}

func answer(ctx context.Context, room *terminal.Server, e adapters.Event, state adapters.State, words string) error {
	_, err := room.Send(ctx, adapters.Message{
		To: adapters.Target{Channel: e.Channel.ID, Thread: e.Message}, Key: e.DeliveryID + words, InReplyTo: e.Message, State: state, Blocks: text(words),
	})
	return err
}

// TestPipeLosesConnection: a line whose answer was lost on the way is sent again
// under its delivery ID, and counts once.
func TestPipeLosesConnection(t *testing.T) {
	h := &house{t: t}
	deliveries := map[string]int{}
	h.handler = func(room *terminal.Server) handlerFunc {
		return func(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
			deliveries[e.DeliveryID]++
			if deliveries[e.DeliveryID] > 1 {
				return adapters.Answer{Disposition: adapters.Duplicate}, nil
			}
			h.drop()
			return adapters.Answer{Disposition: adapters.Accepted}, answer(ctx, room, e, adapters.StateSucceeded, "done "+e.Text)
		}
	}
	h.open()
	defer h.shut()
	out, outcome, err := h.run(t.Context(), Options{In: strings.NewReader("!one\n!two\n"), Timeout: 20 * time.Second})
	if err != nil || outcome != (Outcome{Succeeded: 2}) {
		t.Errorf("outcome %+v, %v; printed:\n%s", outcome, err, out)
	}
	for _, line := range []string{"ann: !one", "ann: !two", "  petrel: ✓ done !one", "  petrel: ✓ done !two"} {
		if n := count(out, line); n != 1 {
			t.Errorf("%q is printed %d times:\n%s", line, n, out)
		}
	}
	if len(deliveries) != 2 {
		t.Errorf("two lines had %d delivery IDs", len(deliveries))
	}
}

// TestPipeOutlivesTheServer: the program ends in the middle and comes back.
func TestPipeOutlivesTheServer(t *testing.T) {
	h := &house{t: t}
	first := make(chan adapters.Event, 1)
	h.handler = func(room *terminal.Server) handlerFunc {
		return func(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
			first <- e
			return adapters.Answer{Disposition: adapters.Accepted}, answer(ctx, room, e, adapters.StateWorking, "working")
		}
	}
	h.open()
	go func() {
		e := <-first
		h.shut()
		h.handler = func(room *terminal.Server) handlerFunc {
			return func(context.Context, adapters.Event) (adapters.Answer, error) {
				return adapters.Answer{Disposition: adapters.Duplicate}, nil
			}
		}
		h.open()
		if err := answer(context.Background(), h.room, e, adapters.StateFailed, "abandoned"); err != nil {
			t.Error(err)
		}
	}()
	out, outcome, err := h.run(t.Context(), Options{In: strings.NewReader("!one"), Timeout: 20 * time.Second})
	if err != nil || outcome != (Outcome{Failed: 1}) {
		t.Errorf("outcome %+v, %v; printed:\n%s", outcome, err, out)
	}
	if count(out, "ann: !one") != 1 || count(out, "  petrel: ✗ abandoned") != 1 {
		t.Errorf("printed:\n%s", out)
	}
	h.shut()
}

func TestPipeGivesUp(t *testing.T) {
	h := &house{t: t}
	out, outcome, err := h.run(t.Context(), Options{In: strings.NewReader("!one\n"), GiveUp: 60 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "no connection to the room for 60ms: the room is closed") {
		t.Errorf("ended with %+v, %v; printed:\n%s", outcome, err, out)
	}
	if outcome.OK() {
		t.Error("nothing was said, and all is well")
	}
}

func TestPipeLosesTheServerForGood(t *testing.T) {
	h := &house{t: t}
	h.handler = func(*terminal.Server) handlerFunc {
		return func(context.Context, adapters.Event) (adapters.Answer, error) {
			go h.shut()
			return adapters.Answer{Disposition: adapters.Accepted}, nil
		}
	}
	h.open()
	out, outcome, err := h.run(t.Context(), Options{In: strings.NewReader("!one\n!two\n"), GiveUp: 100 * time.Millisecond})
	if err == nil || outcome != (Outcome{Failed: 1}) {
		t.Errorf("ended with %+v, %v; printed:\n%s", outcome, err, out)
	}
}

func TestPipeTimeout(t *testing.T) {
	_, dial := room(t, terminal.Options{})
	var out bytes.Buffer
	o := Options{Dial: dial, Name: "ann", In: strings.NewReader("!silence\n!secret\n"), Out: &out, Timeout: 200 * time.Millisecond}
	outcome, err := Run(t.Context(), o)
	if err != nil || outcome != (Outcome{Succeeded: 1, Failed: 1}) {
		t.Errorf("outcome %+v, %v", outcome, err)
	}
	want := "ann: !silence\n-- no last answer within 200ms; petrel may still be at it\nann: !secret\n  (only you) petrel: ✓ @ann between *us*: `x`\n"
	if out.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", &out, want)
	}
}

func TestPipeEndsWithItsContext(t *testing.T) {
	_, dial := room(t, terminal.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	in, typist := io.Pipe()
	defer typist.Close()
	out := &signalWriter{want: "ann: !silence", done: cancel}
	go io.WriteString(typist, "!silence\n")
	if _, err := Run(ctx, Options{Dial: dial, Name: "ann", In: in, Out: out}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

// signalWriter calls done when want is written.
type signalWriter struct {
	want string
	done func()
}

func (w *signalWriter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), w.want) {
		w.done()
	}
	return len(p), nil
}

// TestPipeHistory: those who come later see what was said, when they ask for it.
func TestPipeHistory(t *testing.T) {
	s, dial := room(t, terminal.Options{})
	for i := range 5 {
		if _, err := s.Send(t.Context(), adapters.Message{To: adapters.Target{Channel: "#general"}, Blocks: text(fmt.Sprint("number ", i))}); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := Run(t.Context(), Options{Dial: dial, Name: "ann", In: strings.NewReader("!secret\n/history 4\n"), Out: &out, History: 2}); err != nil {
		t.Fatal(err)
	}
	want := "-- earlier in #general\npetrel: number 3\npetrel: number 4\n-- now\nann: !secret\n  (only you) petrel: ✓ @ann between *us*: `x`\n-- nothing more in #general\n"
	if out.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", &out, want)
	}
}

func TestPanicWhileReadingIsRaisedInRun(t *testing.T) {
	_, dial := room(t, terminal.Options{})
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "out of paper") {
			t.Errorf("recovered %v", p)
		}
	}()
	_, err := Run(t.Context(), Options{Dial: dial, Name: "ann", In: panicReader{}, Out: io.Discard})
	t.Errorf("Run returned %v", err)
}

type panicReader struct{}

func (panicReader) Read([]byte) (int, error) { panic("out of paper") }

func TestWrongInput(t *testing.T) {
	_, dial := room(t, terminal.Options{})
	for _, o := range []Options{{}, {Dial: dial, Name: "a b"}, {Dial: dial, Name: "ann", Channel: "#"}, {Dial: dial, Name: "petrel"}} {
		o.In, o.Out = strings.NewReader("!secret\n"), io.Discard
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("name %q, channel %q: accepted", o.Name, o.Channel)
		}
	}
	var out bytes.Buffer
	o := Options{Dial: dial, Name: "ann", In: strings.NewReader(strings.Repeat("x", maxLineText+1) + "\n!secret"), Out: &out}
	if outcome, err := Run(t.Context(), o); err != nil || outcome != (Outcome{Succeeded: 1, NotUnderstood: 1}) {
		t.Errorf("a line that is too long: %+v, %v", outcome, err)
	}
}

// count is how many lines are exactly this.
func count(lines, line string) (n int) {
	for l := range strings.SplitSeq(lines, "\n") {
		if l == line {
			n++
		}
	}
	return n
}
