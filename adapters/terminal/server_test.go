package terminal_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/terminal"
	"petrel/adapters/terminal/journaltest"
)

func TestMemoryJournal(t *testing.T) {
	journaltest.Run(t, func(*testing.T) terminal.Journal { return &terminal.MemoryJournal{} })
}

type handlerFunc func(context.Context, adapters.Event) (adapters.Answer, error)

func (f handlerFunc) Handle(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
	return f(ctx, e)
}

func accept(context.Context, adapters.Event) (adapters.Answer, error) {
	return adapters.Answer{Disposition: adapters.Accepted}, nil
}

// wire is a session spoken by hand.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// connect starts a session of the room in process, until the test ends.
func connect(t *testing.T, s *terminal.Server) *wire {
	t.Helper()
	here, there := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() { s.ServeConn(context.Background(), there) })
	t.Cleanup(func() { here.Close(); served.Wait() })
	if err := here.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	w := &wire{t, here, bufio.NewReader(here)}
	if f := w.next(); f.Is != terminal.IsWelcome || f.Protocol != terminal.Protocol || f.Bot != "petrel" || f.Prefix != "!" {
		t.Fatalf("the session begins with %+v", f)
	}
	return w
}

func (w *wire) next() terminal.Frame {
	w.t.Helper()
	line, err := w.in.ReadBytes('\n')
	if err != nil {
		w.t.Fatalf("no frame: %v", err)
	}
	var f terminal.Frame
	if err := json.Unmarshal(line, &f); err != nil {
		w.t.Fatalf("%s: %v", line, err)
	}
	return f
}

// do sends a line and returns its answer, passing over messages.
func (w *wire) do(line string) terminal.Frame {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, line+"\n"); err != nil {
		w.t.Fatal(err)
	}
	for {
		if f := w.next(); f.Is != terminal.IsMessage && f.Is != terminal.IsUpdate {
			return f
		}
	}
}

// listen runs the room until the test ends.
func listen(t *testing.T, s *terminal.Server, h handlerFunc) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx, h); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return stop
}

func TestRequestsRefused(t *testing.T) {
	s := terminal.New(terminal.Options{})
	listen(t, s, accept)
	w := connect(t, s)
	private, err := s.Send(t.Context(), adapters.Message{To: adapters.Target{Channel: "#ops", Private: "bob"}, Buttons: []adapters.Button{{ID: "b", Label: "B"}}})
	if err != nil {
		t.Fatal(err)
	}
	direct, err := s.Send(t.Context(), adapters.Message{To: adapters.Target{Channel: "@bob"}, Buttons: []adapters.Button{{ID: "b", Label: "B"}}})
	if err != nil {
		t.Fatal(err)
	}
	said := w.do(`{"do":"say","delivery":"first","as":"ann","in":"#ops","text":"hello"}`).ID
	for _, c := range []struct{ line, want string }{
		{`nonsense`, "this is no request"},
		{`{"do":"say"}`, "needs a delivery"},
		{`{"do":"say","delivery":"` + strings.Repeat("x", 129) + `"}`, "needs a delivery"},
		{`{"do":"dance","delivery":"d"}`, `unknown request "dance"`},
		{`{"do":"join","delivery":"d","as":"petrel","in":"#ops"}`, "petrel is the bot"},
		{`{"do":"join","delivery":"d","as":"","in":"#ops"}`, "is no name"},
		{`{"do":"join","delivery":"d","as":"a b","in":"#ops"}`, "is no name"},
		{`{"do":"join","delivery":"d","as":"ann","in":"#"}`, "is no channel"},
		{`{"do":"join","delivery":"d","as":"ann","in":"#a\u001b"}`, "is no channel"},
		{`{"do":"join","delivery":"d","as":"ann","in":"@bob"}`, "directly to @petrel only"},
		{`{"do":"history","delivery":"d","as":"ann","in":"@bob","earlier":9}`, "directly to @petrel only"},
		{`{"do":"say","delivery":"d","as":"ann","in":"#ops","text":"  "}`, "nothing in this line"},
		{`{"do":"say","delivery":"first","as":"ann","in":"#ops","text":"other"}`, "was another line"},
		{`{"do":"say","delivery":"d","as":"ann","in":"#dev","text":"x","thread":"` + said + `"}`, "is in #ops, not in #dev"},
		{`{"do":"press","delivery":"d","as":"ann","id":"` + private.Message + `","button":"b"}`, "no message"},
		{`{"do":"press","delivery":"d","as":"ann","id":"` + direct.Message + `","button":"b"}`, "no message"},
		{`{"do":"press","delivery":"d","as":"ann","id":"` + said + `","button":"b"}`, "no message"},
		{`{"do":"press","delivery":"d","as":"ann","id":"nothing","button":"b"}`, "no message"},
		{`{"do":"press","delivery":"d","as":"bob","id":"` + direct.Message + `","button":"c"}`, "no longer there"},
	} {
		if f := w.do(c.line); f.Is != terminal.IsError || !strings.Contains(f.Text, c.want) {
			t.Errorf("%s: answered %+v, want an error with %q", c.line, f, c.want)
		}
	}
	if f := w.do(`{"do":"press","delivery":"e","as":"bob","id":"` + direct.Message + `","button":"b"}`); f.Is != terminal.IsSaid {
		t.Errorf("bob's own button: %+v", f)
	}
}

func TestHistoryHidesWhatIsPrivate(t *testing.T) {
	s := terminal.New(terminal.Options{})
	for i, m := range []adapters.Message{
		{To: adapters.Target{Channel: "#ops"}}, {To: adapters.Target{Channel: "ops", Private: "bob"}}, {To: adapters.Target{Channel: "#ops", Private: "@Ann"}},
	} {
		m.Blocks = []adapters.Block{{Text: fmt.Sprint(i)}}
		if _, err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	w := connect(t, s)
	f := w.do(`{"do":"join","delivery":"d","as":"Ann","in":"OPS","earlier":10}`)
	var got []string
	for _, e := range f.Entries {
		got = append(got, e.Message.Blocks[0].Text)
	}
	if f.Is != terminal.IsJoined || f.As != "ann" || f.In != "#ops" || !slices.Equal(got, []string{"0", "2"}) {
		t.Errorf("joined with %+v: %q", f, got)
	}
}

func TestNobodyListens(t *testing.T) {
	s := terminal.New(terminal.Options{Patience: 20 * time.Millisecond})
	w := connect(t, s)
	f := w.do(`{"do":"say","delivery":"d","as":"ann","in":"#ops","text":"!run"}`)
	if f.Is != terminal.IsError || f.Text != "petrel is busy, not accepted: the program is not listening" {
		t.Errorf("answered %+v", f)
	}
	listen(t, s, accept)
	if f := w.do(`{"do":"say","delivery":"d","as":"ann","in":"#ops","text":"!run"}`); f.Disposition != terminal.Accepted {
		t.Errorf("said again with somebody listening: %+v", f)
	}
}

// TestListenerChanges: a line that the first listener could not store because it
// was stopping goes to the next one.
func TestListenerChanges(t *testing.T) {
	s := terminal.New(terminal.Options{})
	w := connect(t, s)
	got := make(chan adapters.Event, 1)
	stop := listen(t, s, func(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
		got <- e
		<-ctx.Done()
		return adapters.Answer{}, ctx.Err()
	})
	answer := make(chan terminal.Frame, 1)
	go func() { answer <- w.do(`{"do":"say","delivery":"d","as":"ann","in":"#ops","text":"!run"}`) }()
	first := <-got
	stop()
	listen(t, s, func(_ context.Context, e adapters.Event) (adapters.Answer, error) {
		got <- e
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	})
	if second := <-got; second.DeliveryID != first.DeliveryID || second.Text != first.Text {
		t.Errorf("the next listener got %+v, the first %+v", second, first)
	}
	if f := <-answer; f.Disposition != terminal.Accepted {
		t.Errorf("answered %+v", f)
	}
}

func TestRunTwiceAtOnce(t *testing.T) {
	s := terminal.New(terminal.Options{})
	started := make(chan struct{})
	listen(t, s, func(context.Context, adapters.Event) (adapters.Answer, error) {
		close(started)
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	})
	connect(t, s).do(`{"do":"say","delivery":"d","as":"ann","in":"#ops","text":"x"}`)
	<-started
	if err := s.Run(t.Context(), handlerFunc(accept)); err == nil {
		t.Error("a second Run is not refused")
	}
}

// TestDuplicateAnsweredAsTheFirstTime: whoever lost the answer learns it.
func TestDuplicateAnsweredAsTheFirstTime(t *testing.T) {
	s := terminal.New(terminal.Options{})
	seen := map[string]bool{}
	listen(t, s, func(_ context.Context, e adapters.Event) (adapters.Answer, error) {
		switch {
		case seen[e.DeliveryID]:
			return adapters.Answer{Disposition: adapters.Duplicate}, nil
		case strings.HasPrefix(e.Text, "!"):
			seen[e.DeliveryID] = true
			return adapters.Answer{Disposition: adapters.Accepted}, nil
		}
		seen[e.DeliveryID] = true
		return adapters.Answer{}, nil
	})
	w := connect(t, s)
	for _, c := range []struct{ text, want string }{{"!run", terminal.Accepted}, {"hello", terminal.Ignored}} {
		line := fmt.Sprintf(`{"do":"say","delivery":%q,"as":"ann","in":"#ops","text":%q}`, "d-"+c.text, c.text)
		first, again := w.do(line), w.do(line)
		if first.Disposition != c.want || again.Disposition != c.want || first.ID != again.ID {
			t.Errorf("%s: answered %+v, then %+v", c.text, first, again)
		}
	}
}

// failing is a journal on a broken disk.
type failing struct{ terminal.MemoryJournal }

func (f *failing) Append(context.Context, terminal.Entry) (bool, error) {
	return false, errors.New("disk full")
}

func TestJournalFails(t *testing.T) {
	s := terminal.New(terminal.Options{Journal: &failing{}})
	listen(t, s, func(context.Context, adapters.Event) (adapters.Answer, error) {
		t.Error("a line that was not recorded is handled")
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	})
	f := connect(t, s).do(`{"do":"say","delivery":"d","as":"ann","in":"#ops","text":"!run"}`)
	if f.Is != terminal.IsError || f.Text != "petrel is busy, not accepted: disk full" {
		t.Errorf("answered %+v", f)
	}
	var retry *adapters.RetryError
	if _, err := s.Send(t.Context(), adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "k"}); !errors.As(err, &retry) {
		t.Errorf("with a key, Send failed with %v", err)
	}
	if _, err := s.Send(t.Context(), adapters.Message{To: adapters.Target{Channel: "#ops"}}); !errors.Is(err, adapters.ErrOutcomeUnknown) {
		t.Errorf("without a key, Send failed with %v", err)
	}
}

// doubtful keeps the first entry and fails all the same, as a store does whose
// answer is lost.
type doubtful struct {
	terminal.MemoryJournal
	failed bool
}

func (d *doubtful) Append(ctx context.Context, e terminal.Entry) (bool, error) {
	added, err := d.MemoryJournal.Append(ctx, e)
	if err == nil && !d.failed {
		d.failed = true
		return false, errors.New("connection lost")
	}
	return added, err
}

// TestDoubtfulMessageIsShown: a message that was kept though its Append failed is
// shown when it is sent again.
func TestDoubtfulMessageIsShown(t *testing.T) {
	s := terminal.New(terminal.Options{Journal: &doubtful{}})
	w := connect(t, s)
	w.do(`{"do":"join","delivery":"j","as":"ann","in":"#ops"}`)
	m := adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "k", Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: "hello"}}}
	if _, err := s.Send(t.Context(), m); err == nil {
		t.Fatal("Send does not fail when the journal does")
	}
	if _, err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if f := w.next(); f.Is != terminal.IsMessage || f.Entry.Message.Blocks[0].Text != "hello" {
		t.Errorf("shown: %+v", f)
	}
}

// TestMessageIsCopied: the caller may go on with its own.
func TestMessageIsCopied(t *testing.T) {
	j := &terminal.MemoryJournal{}
	s := terminal.New(terminal.Options{Journal: j})
	m := adapters.Message{To: adapters.Target{Channel: "#ops"}, Blocks: []adapters.Block{{Fields: []adapters.Field{{Name: "a"}}}}}
	ref, err := s.Send(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Blocks[0].Fields[0].Name = "b"
	if e, err := j.Get(t.Context(), ref.Message); err != nil || e.Message.Blocks[0].Fields[0].Name != "a" {
		t.Errorf("kept is %+v, %v", e.Message, err)
	}
}

// TestLaggingSession: a session that does not read is ended and holds up nobody.
func TestLaggingSession(t *testing.T) {
	s := terminal.New(terminal.Options{})
	w := connect(t, s)
	w.do(`{"do":"join","delivery":"d","as":"ann","in":"#ops"}`)
	for i := range 3000 {
		if _, err := s.Send(t.Context(), adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.Copy(io.Discard, w.in); err != nil {
		t.Errorf("the session did not end: %v", err)
	}
}

func TestTooLongARequest(t *testing.T) {
	s := terminal.New(terminal.Options{})
	w := connect(t, s)
	// The session ends while it is being sent.
	_, err := io.WriteString(w.conn, `{"do":"say","delivery":"d","text":"`+strings.Repeat("x", terminal.MaxRequest)+"\"}\n")
	if err == nil {
		_, err = w.in.ReadByte()
	}
	if err == nil {
		t.Error("a request that is too long is taken")
	}
}

func TestNames(t *testing.T) {
	for in, want := range map[string]string{
		"ann": "ann", "Ann.B-c_1": "ann.b-c_1", `DOMAIN\Jörg Müller`: "domain-jörg-müller", "": "somebody", "--": "somebody", "a\x1b[2Jb": "a--2jb", "\xff\xfex": "x",
		strings.Repeat("é", 100): strings.Repeat("é", 64),
	} {
		got := terminal.CleanName(in)
		if got != want {
			t.Errorf("the name of %q is %q, want %q", in, got, want)
		}
		if _, err := terminal.PersonName(got); err != nil {
			t.Errorf("the name of %q is no name: %v", in, err)
		}
	}
}

func TestMentions(t *testing.T) {
	s := terminal.New(terminal.Options{})
	events := make(chan adapters.Event, 1)
	listen(t, s, func(_ context.Context, e adapters.Event) (adapters.Answer, error) {
		events <- e
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	})
	w := connect(t, s)
	for i, c := range []struct {
		line, text string
		mentioned  bool
	}{
		{"@petrel run date", "run date", true}, {"@Petrel: run date", "run date", true}, {"@PETREL, run", "run", true}, {"@petrel", "", true},
		{"@petrel:run", "run", true}, {"@petrel !run", "!run", true}, {"@petrel\nrun", "run", true},
		{"@petrels run", "@petrels run", false}, {"@petrel-dev run", "@petrel-dev run", false}, {"hello @petrel", "hello @petrel", false}, {"petrel run", "petrel run", false},
	} {
		w.do(fmt.Sprintf(`{"do":"say","delivery":"d%d","as":"ann","in":"#ops","text":%q}`, i, c.line))
		if e := <-events; e.Text != c.text || e.Mentioned != c.mentioned {
			t.Errorf("%q is %q, mentioned: %v", c.line, e.Text, e.Mentioned)
		}
	}
}

func TestWho(t *testing.T) {
	s := terminal.New(terminal.Options{})
	w := connect(t, s)
	w.do(`{"do":"join","delivery":"d","as":"bob","in":"#ops"}`)
	w.do(`{"do":"join","delivery":"d","as":"ann","in":"@petrel"}`)
	f := w.do(`{"do":"who","delivery":"d"}`)
	if got := fmt.Sprint(f.People); got != "[{ann [#ops]} {bob [#ops]}]" {
		t.Errorf("here is %s", got)
	}
}

// FuzzSession: whatever a client writes, the session goes on.
func FuzzSession(f *testing.F) {
	f.Add([]byte(`{"do":"say","delivery":"d","as":"ann","in":"#ops","text":"hello"}`))
	f.Add([]byte(`{"do":"press","delivery":"d","as":"ann","id":"m"}`))
	f.Add([]byte(`{"do":"history","delivery":"d","as":"ann","in":"@petrel","earlier":-1}`))
	s := terminal.New(terminal.Options{Patience: time.Nanosecond})
	f.Fuzz(func(t *testing.T, line []byte) {
		if len(line) > 1000 {
			return
		}
		w := connect(t, s)
		go func() {
			w.conn.Write(append(line, '\n'))
			io.WriteString(w.conn, `{"do":"who","delivery":"the end"}`+"\n")
		}()
		for w.next().Delivery != "the end" {
		}
	})
}
