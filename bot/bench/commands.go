package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"petrel/adapters/terminal"
	"petrel/bot/server"
)

// topShare is the share of the top rate that counts as heavy load.
const topShare = 0.8

// commands measures what a person sees: from the line to the acknowledgement
// and to the result, at a walking pace and under heavy load.
func (b *bed) commands(ctx context.Context, r *Report) error {
	p, err := b.sit(ctx)
	if err != nil {
		return err
	}
	defer p.conn.Close()
	slow, err := p.run(ctx, 10, min(b.o.Commands, 50))
	if err != nil {
		return err
	}
	r.Commands["10 a second"] = slow
	top, err := p.run(ctx, 0, b.o.Commands)
	if err != nil {
		return err
	}
	heavy, err := p.run(ctx, topShare*top.Rate, b.o.Commands)
	if err != nil {
		return err
	}
	r.Commands["all at once"], r.Commands["80% of the top rate"] = top, heavy
	return nil
}

// person speaks the session protocol of the terminal's room.
type person struct {
	conn net.Conn
	n    int

	mu     sync.Mutex
	said   map[string]time.Time // by the text of the line
	lines  map[string]time.Time // by the ID of the line's message
	ack    map[string]time.Duration
	result map[string]time.Duration
	done   chan struct{} // a token for each result
	failed error
}

func (b *bed) sit(ctx context.Context) (*person, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", server.SocketPath(b.dir+"/data"))
	if err != nil {
		return nil, err
	}
	p := &person{conn: conn, said: map[string]time.Time{}, lines: map[string]time.Time{}}
	go p.listen()
	for i := range channels {
		if err := p.send(terminal.Request{Do: terminal.DoJoin, Delivery: fmt.Sprint("join", i), As: "bench", In: channel(i)}); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return p, nil
}

// channels is over how many channels the commands are spread: what is said in
// one channel is recorded one after the other.
const channels = 16

func channel(n int) string { return fmt.Sprint("#bench-", n%channels) }

func (p *person) send(r terminal.Request) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = p.conn.Write(append(line, '\n'))
	return err
}

// run says n commands at a rate (0: all at once) and waits for their results.
func (p *person) run(ctx context.Context, rate float64, n int) (Command, error) {
	p.mu.Lock()
	p.ack, p.result, p.done = map[string]time.Duration{}, map[string]time.Duration{}, make(chan struct{}, n)
	p.mu.Unlock()
	begun := time.Now()
	for i := range n {
		if rate > 0 {
			due := begun.Add(time.Duration(float64(i) / rate * float64(time.Second)))
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return Command{}, ctx.Err()
			}
		}
		p.n++
		delivery := fmt.Sprint("b", p.n)
		p.mu.Lock()
		p.said[delivery] = time.Now()
		p.mu.Unlock()
		if err := p.send(terminal.Request{Do: terminal.DoSay, Delivery: delivery, As: "bench", In: channel(p.n), Text: "!bench"}); err != nil {
			return Command{}, err
		}
	}
	for i := range n {
		select {
		case <-p.done:
		case <-ctx.Done():
			return Command{}, ctx.Err()
		case <-time.After(time.Minute):
			return Command{}, fmt.Errorf("%d of %d commands were not answered", n-i, n)
		}
	}
	took := time.Since(begun)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		return Command{}, p.failed
	}
	return Command{Rate: float64(n) / took.Seconds(), Ack: latency(values(p.ack)), Result: latency(values(p.result))}, nil
}

func values(m map[string]time.Duration) []time.Duration {
	list := make([]time.Duration, 0, len(m))
	for _, d := range m {
		list = append(list, d)
	}
	return list
}

// listen takes the time of answers.
func (p *person) listen() {
	lines := bufio.NewScanner(p.conn)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var f terminal.Frame
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			p.fail(err)
			return
		}
		p.heed(f)
	}
}

func (p *person) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed = errors.Join(p.failed, err)
}

func (p *person) heed(f terminal.Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.Is == terminal.IsError {
		p.failed = errors.Join(p.failed, errors.New(f.Text))
	}
	if f.Entry == nil {
		return
	}
	m := f.Entry.Message
	if m == nil { // our own line, shown to us
		if t, ok := p.said[f.Delivery]; ok {
			p.lines[f.Entry.ID] = t
		}
		return
	}
	said, ok := p.lines[m.InReplyTo]
	if !ok {
		return
	}
	if _, there := p.ack[m.InReplyTo]; !there {
		p.ack[m.InReplyTo] = time.Since(said)
	}
	if _, there := p.result[m.InReplyTo]; !there && m.State.Final() {
		p.result[m.InReplyTo] = time.Since(said)
		p.done <- struct{}{}
	}
}
