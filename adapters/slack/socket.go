package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Socket Mode is spoken here rather than by the client library, whose connection
// is closed before its successor is open, acknowledges on whatever connection
// comes next, and does not tell when it was last heard.

// frameLimit is the size of the largest frame that is read.
const frameLimit = 4 << 20

// runSockets keeps the connections of Socket Mode until ctx ends or Slack
// refuses the app for good.
func (a *Adapter) runSockets(ctx context.Context, s *session) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var holders sync.WaitGroup
	for range a.timing.Connections {
		holders.Go(func() {
			if err := a.hold(ctx, s); err != nil {
				cancel(err)
			}
		})
	}
	holders.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// hold keeps one connection up: a new one is opened as soon as the old one is
// lost, and before it is closed when Slack announces that.
func (a *Adapter) hold(ctx context.Context, s *session) error {
	var links sync.WaitGroup
	defer links.Wait()
	var old *link
	defer func() { old.close() }()
	wait := a.newBackoff()
	for ctx.Err() == nil {
		l, err := a.dial(ctx)
		if err != nil {
			if fatal := fatalError("app token", err); fatal != nil {
				return fatal
			}
			if ctx.Err() != nil {
				return nil
			}
			a.health.problem(err)
			pause := wait.next(err)
			a.log.Warn("no connection to Slack", "adapter", a.name, "error", explain(err), "again_in", pause)
			sleep(ctx, pause)
			continue
		}
		links.Go(func() { a.serve(s, l) })
		old.close()
		old = l
		select {
		case <-l.refresh: // l serves on until its successor is there
		case <-l.closed:
			a.log.Info("a connection to Slack was lost", "adapter", a.name, "cause", l.cause)
		case <-ctx.Done():
			return nil
		}
		// One that did not live long is not replaced in haste.
		pause := rand.N(100 * time.Millisecond)
		if time.Since(l.born) > a.timing.BackoffMax {
			wait.reset()
		} else {
			pause = wait.next(nil)
		}
		sleep(ctx, pause)
	}
	return nil
}

// link is one connection.
type link struct {
	ws      *websocket.Conn
	born    time.Time
	refresh chan struct{} // closed when Slack is about to close it
	closed  chan struct{} // closed when it is over; cause is final then
	greeted bool
	cause   error

	writing sync.Mutex
	asked   sync.Once
}

func (a *Adapter) dial(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timing.Call)
	defer cancel()
	_, url, err := a.api.StartSocketModeContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("apps.connections.open: %w", err)
	}
	// Slack does not put frames of several pieces together.
	dialer := websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: a.timing.Call, WriteBufferSize: 32 << 10}
	ws, resp, err := dialer.DialContext(ctx, url, nil)
	if resp != nil {
		resp.Body.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("connect to Socket Mode: %w", err)
	}
	ws.SetReadLimit(frameLimit)
	return &link{ws: ws, born: time.Now(), refresh: make(chan struct{}), closed: make(chan struct{})}, nil
}

// close ends a link, which may be nil.
func (l *link) close() {
	if l != nil {
		l.ws.Close()
	}
}

// serve reads a link until it is over.
func (a *Adapter) serve(s *session, l *link) {
	stop := context.AfterFunc(s.ctx, l.close)
	defer stop()
	defer close(l.closed)
	defer l.close()
	var pings sync.WaitGroup
	defer pings.Wait()
	quiet := make(chan struct{})
	defer close(quiet)
	alive := func() {
		a.health.frame()
		l.ws.SetReadDeadline(time.Now().Add(a.timing.Silence))
	}
	alive()
	l.ws.SetPongHandler(func(string) error { alive(); return nil })
	l.ws.SetPingHandler(func(data string) error {
		alive()
		return l.control(websocket.PongMessage, data)
	})
	pings.Go(func() {
		tick := time.NewTicker(a.timing.PingEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if l.control(websocket.PingMessage, "") != nil {
					l.close()
				}
			case <-quiet:
				return
			}
		}
	})
	for {
		_, frame, err := l.ws.ReadMessage()
		if err != nil {
			l.cause = err
			break
		}
		alive()
		var e envelope
		if err := json.Unmarshal(frame, &e); err != nil {
			a.log.Warn("Slack sent a frame that is no JSON", "adapter", a.name, "error", err)
			continue
		}
		a.heed(s, l, e)
	}
	if l.greeted {
		a.health.connected(-1)
	}
	a.health.problem(l.cause)
}

// heed does what a frame asks for.
func (a *Adapter) heed(s *session, l *link, e envelope) {
	switch e.Type {
	case "hello":
		if !l.greeted {
			l.greeted = true
			a.health.connected(1)
		}
	case "disconnect":
		if e.Reason == "link_disabled" {
			a.log.Error("Socket Mode was turned off for the app", "adapter", a.name)
		}
		l.asked.Do(func() { close(l.refresh) })
	default:
		a.take(s, delivery{kind: e.Type, id: e.ID, attempt: e.RetryAttempt, payload: e.Payload}, func(o outcome) {
			if o.taken {
				if err := l.acknowledge(e.ID, o.body); err != nil {
					a.log.Info("an acknowledgement was lost with its connection", "adapter", a.name, "envelope", e.ID, "error", err)
				}
			}
			s.later(o.after)
		})
	}
}

func (l *link) control(kind int, data string) error {
	return l.ws.WriteControl(kind, []byte(data), time.Now().Add(5*time.Second))
}

func (l *link) acknowledge(envelope string, body any) error {
	ack := map[string]any{"envelope_id": envelope}
	if body != nil {
		ack["payload"] = body
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.ws.SetWriteDeadline(time.Now().Add(5 * time.Second))
	return l.ws.WriteJSON(ack)
}
