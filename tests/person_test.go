package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters/terminal"
)

// person speaks the session protocol of the terminal's room. It survives the
// death of the server: it connects again and repeats what was not answered.
type person struct {
	t       *testing.T
	socket  string
	name    string
	channel string

	mu      sync.Mutex
	entries map[string]terminal.Entry // newest revision, by ID
	unsaid  map[string]terminal.Request
	said    map[string]terminal.Frame // by delivery
	news    chan struct{}             // closed and renewed at every change
	conn    net.Conn
}

// sit brings a person into a channel until the test ends.
func (p *petrel) sit(name, channel string) *person {
	ann := &person{
		t: p.t, socket: filepath.Join(p.dir, "data", "petrel.sock"), name: name, channel: channel,
		entries: map[string]terminal.Entry{}, unsaid: map[string]terminal.Request{},
		said: map[string]terminal.Frame{}, news: make(chan struct{}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ann.live(ctx)
	}()
	p.t.Cleanup(func() {
		cancel()
		ann.hangUp()
		<-done
	})
	return ann
}

func (a *person) live(ctx context.Context) {
	for ctx.Err() == nil {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", a.socket)
		if err == nil {
			a.converse(conn)
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// converse joins with the whole history and repeats what is unanswered.
func (a *person) converse(conn net.Conn) {
	defer conn.Close()
	a.mu.Lock()
	a.conn = conn
	a.write(terminal.Request{Do: terminal.DoJoin, Delivery: "join", As: a.name, In: a.channel, Earlier: terminal.MaxEarlier})
	for _, r := range a.unsaid {
		a.write(r)
	}
	a.mu.Unlock()
	for lines := bufio.NewReader(conn); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return // perhaps in the middle of a frame
		}
		var f terminal.Frame
		if err := json.Unmarshal(line, &f); err != nil {
			a.t.Errorf("unreadable frame %.200q: %v", line, err)
			return
		}
		a.heed(f)
	}
}

func (a *person) heed(f terminal.Frame) {
	a.mu.Lock()
	defer a.mu.Unlock()
	entries := f.Entries
	if f.Entry != nil {
		entries = append(entries, *f.Entry)
	}
	for _, e := range entries {
		if old, there := a.entries[e.ID]; !there || e.Rev > old.Rev {
			a.entries[e.ID] = e
		}
	}
	switch f.Is {
	case terminal.IsSaid:
		delete(a.unsaid, f.Delivery)
		a.said[f.Delivery] = f
	case terminal.IsError:
		if r, waits := a.unsaid[f.Delivery]; waits {
			a.write(r) // not accepted: say it again
		}
	}
	close(a.news)
	a.news = make(chan struct{})
}

// say sends a line; it is repeated until the server took it.
func (a *person) say(delivery, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := terminal.Request{Do: terminal.DoSay, Delivery: delivery, As: a.name, In: a.channel, Text: text}
	a.unsaid[delivery] = r
	a.write(r)
}

// press presses a button of a message.
func (a *person) press(delivery, id, button string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := terminal.Request{Do: terminal.DoPress, Delivery: delivery, As: a.name, ID: id, Button: button}
	a.unsaid[delivery] = r
	a.write(r)
}

// write sends a request on the present connection; a.mu is held. A failure is
// made good after the next connect.
func (a *person) write(r terminal.Request) {
	if a.conn == nil {
		return
	}
	line, err := json.Marshal(r)
	if err != nil {
		a.t.Error(err)
		return
	}
	a.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if _, err := a.conn.Write(append(line, '\n')); err != nil {
		a.conn.Close()
	}
}

func (a *person) hangUp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conn != nil {
		a.conn.Close()
	}
}

// await waits until check is content with what the person has seen.
func (a *person) await(limit time.Duration, check func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error) {
	a.t.Helper()
	deadline := time.After(limit)
	for {
		a.mu.Lock()
		err, news := check(a.entries, a.said), a.news
		a.mu.Unlock()
		if err == nil {
			return
		}
		select {
		case <-news:
		case <-deadline:
			a.t.Fatalf("%s in %s waited %s in vain: %v", a.name, a.channel, limit, err)
		}
	}
}

// finals returns the last words on a line, by the ID of the line's message.
func finals(entries map[string]terminal.Entry) map[string][]terminal.Entry {
	last := map[string][]terminal.Entry{}
	for _, e := range entries {
		if m := e.Message; m != nil && m.State.Final() {
			last[m.InReplyTo] = append(last[m.InReplyTo], e)
		}
	}
	return last
}

// answer says a line and returns the last word on it as text.
func (a *person) answer(delivery, text string) (state, words string) {
	a.t.Helper()
	a.say(delivery, text)
	a.await(30*time.Second, func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error {
		f, ok := said[delivery]
		if !ok {
			return errors.New("the line was not taken")
		}
		last := finals(entries)[f.ID]
		if len(last) == 0 {
			return fmt.Errorf("no last word on %q", text)
		}
		state, words = string(last[0].Message.State), wordsOf(last[0])
		return nil
	})
	return state, words
}

// wordsOf is the text of a message.
func wordsOf(e terminal.Entry) string {
	if e.Message == nil {
		return e.Text
	}
	var all []string
	for _, b := range e.Message.Blocks {
		all = append(all, b.Text)
		for _, f := range b.Fields {
			all = append(all, f.Name+": "+f.Value)
		}
	}
	return strings.Join(all, "\n")
}
