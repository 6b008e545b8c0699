package prompt

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"petrel/adapters/terminal"
)

const (
	firstPause   = 50 * time.Millisecond // before connecting again; doubled up to lastPause
	lastPause    = time.Second
	sendPatience = 30 * time.Second
	lookBack     = 500 // entries asked for after a lost connection
)

// news is what comes over a link, in order.
type news struct {
	frame *terminal.Frame
	lost  error // the connection broke; the link tries again
	again bool  // the connection is back
}

// link is a connection to the room that outlives the single net.Conn: what was
// asked and not answered is asked again, with the same delivery.
type link struct {
	dial   func(context.Context) (net.Conn, error)
	giveUp time.Duration
	news   chan news

	mu     sync.Mutex
	open   []terminal.Request // asked and not answered, in order
	places []terminal.Request // joins that succeeded, to be repeated
	queue  []terminal.Request // to be written to the present connection
	wake   chan struct{}
}

func newLink(dial func(context.Context) (net.Conn, error), giveUp time.Duration) *link {
	return &link{dial: dial, giveUp: giveUp, news: make(chan news), wake: make(chan struct{}, 1)}
}

// ask sends a request, now or when there is a connection.
func (l *link) ask(r terminal.Request) {
	l.mu.Lock()
	l.open = append(l.open, r)
	l.queue = append(l.queue, r)
	l.mu.Unlock()
	l.rouse()
}

func (l *link) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run keeps the connection up until ctx ends (nil) or it stays lost.
func (l *link) run(ctx context.Context) error {
	pause, lostAt, connectedBefore := firstPause, time.Now(), false
	for {
		conn, err := l.dial(ctx)
		if err == nil {
			var welcome bool
			welcome, err = l.converse(ctx, conn, connectedBefore)
			if welcome {
				pause, lostAt, connectedBefore = firstPause, time.Now(), true
				l.tell(ctx, news{lost: err})
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		var wrong *protocolError
		if errors.As(err, &wrong) {
			return err
		}
		if time.Since(lostAt)+pause > l.giveUp {
			return fmt.Errorf("no connection to the room for %s: %w", l.giveUp.Round(time.Millisecond), err)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, lastPause)
	}
}

// converse uses one connection until it breaks. It reports whether the room
// answered at all.
func (l *link) converse(ctx context.Context, conn net.Conn, again bool) (welcome bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var writer sync.WaitGroup
	defer writer.Wait()
	defer cancel()

	l.mu.Lock()
	l.queue = append(slices.Clone(l.places), l.open...)
	l.mu.Unlock()
	l.rouse()
	writer.Go(func() { defer cancel(); l.write(ctx, conn) })

	frames := json.NewDecoder(bufio.NewReader(conn))
	for {
		var f terminal.Frame
		if err := frames.Decode(&f); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the room closed the connection")
			}
			return welcome, err
		}
		if f.Is == terminal.IsWelcome {
			if f.Protocol != terminal.Protocol {
				return false, &protocolError{theirs: f.Protocol}
			}
			welcome = true
			if again {
				l.tell(ctx, news{again: true})
			}
		}
		l.settle(f)
		l.tell(ctx, news{frame: &f})
	}
}

type protocolError struct{ theirs int }

func (e *protocolError) Error() string {
	return fmt.Sprintf("the room speaks version %d of the protocol, this program version %d: use the same release on both ends", e.theirs, terminal.Protocol)
}

// settle removes the request that a frame answers.
func (l *link) settle(f terminal.Frame) {
	if f.Delivery == "" || f.Is == terminal.IsMessage || f.Is == terminal.IsUpdate {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.open, func(r terminal.Request) bool { return r.Delivery == f.Delivery })
	if i < 0 {
		return
	}
	r := l.open[i]
	l.open = slices.Delete(l.open, i, i+1)
	if f.Is != terminal.IsJoined {
		return
	}
	r.Delivery, r.Earlier = "again-"+r.Delivery, lookBack
	same := func(p terminal.Request) bool { return p.As == r.As && p.In == r.In }
	if !slices.ContainsFunc(l.places, same) {
		l.places = append(l.places, r)
	}
}

func (l *link) tell(ctx context.Context, n news) {
	select {
	case l.news <- n:
	case <-ctx.Done():
	}
}

func (l *link) write(ctx context.Context, conn net.Conn) {
	enc := json.NewEncoder(conn)
	for {
		l.mu.Lock()
		batch := l.queue
		l.queue = nil
		l.mu.Unlock()
		for _, r := range batch {
			if conn.SetWriteDeadline(time.Now().Add(sendPatience)) != nil || enc.Encode(r) != nil {
				return
			}
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return
		}
	}
}
