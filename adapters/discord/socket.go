package discord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"
)

// Operations of the gateway (docs, topics/opcodes-and-status-codes).
const (
	opDispatch       = 0
	opHeartbeat      = 1
	opIdentify       = 2
	opResume         = 6
	opReconnect      = 7
	opInvalidSession = 9
	opHello          = 10
	opHeartbeatAck   = 11
)

const (
	handshakeLimit = 30 * time.Second // from the dial to READY
	writeLimit     = 10 * time.Second
	// closeToResume is sent when a socket is given up: with 1000 or 1001 Discord
	// would end the session.
	closeToResume = 4000
)

// invalidSession: Discord told that the session cannot be used (op 9).
type invalidSession struct{}

func (*invalidSession) Error() string { return "Discord does not accept the session" }

// socket is one WebSocket to the gateway, from the dial to its end.
type socket struct {
	g        *gateway
	dispatch func(kind string, data []byte)
	ready    bool // READY or RESUMED came
	forget   bool // the session is over

	conn    *websocket.Conn
	writing sync.Mutex
	mu      sync.Mutex
	seq     int64
	unheard bool  // a heartbeat was sent that is not acknowledged
	cause   error // why we closed it ourselves
}

type frame struct {
	Op   int             `json:"op"`
	Seq  int64           `json:"s"`
	Type string          `json:"t"`
	Data json.RawMessage `json:"d"`
}

// run ends when the socket does, always with an error.
func (s *socket) run(ctx context.Context, address string) error {
	address = strings.TrimSuffix(address, "/") + "/?v=" + discordgo.APIVersion + "&encoding=json"
	dialer := websocket.Dialer{HandshakeTimeout: handshakeLimit, Proxy: websocket.DefaultDialer.Proxy}
	conn, _, err := dialer.DialContext(ctx, address, nil)
	if err != nil {
		if s.g.resume == "" {
			s.g.url = "" // it may have moved: ask
		}
		s.g.resume = "" // the next time at the front door
		return fmt.Errorf("connect to the gateway: %w", err)
	}
	s.conn, s.seq = conn, s.g.seq
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { s.end(websocket.CloseNormalClosure, ctx.Err()) })
	defer stop()
	if err := conn.SetReadDeadline(time.Now().Add(handshakeLimit)); err != nil {
		return err
	}
	interval, err := s.hello()
	if err != nil {
		return err
	}
	quit := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() { s.beat(interval, quit) })
	defer beating.Wait()
	defer close(quit)
	if err := s.begin(); err != nil {
		return err
	}
	for {
		f, err := s.read()
		if err != nil {
			return err
		}
		if err := s.take(f, interval); err != nil {
			return err
		}
	}
}

// hello reads the first frame and returns the time between heartbeats.
func (s *socket) hello() (time.Duration, error) {
	f, err := s.read()
	if err != nil {
		return 0, err
	}
	var hello struct {
		Interval int `json:"heartbeat_interval"`
	}
	if err := json.Unmarshal(f.Data, &hello); err != nil || f.Op != opHello || hello.Interval <= 0 {
		return 0, fmt.Errorf("the gateway begins with operation %d, not with hello", f.Op)
	}
	return time.Duration(hello.Interval) * time.Millisecond, nil
}

// begin takes the session up again, or begins one.
func (s *socket) begin() error {
	if s.g.session != "" {
		return s.write(opResume, map[string]any{"token": s.g.token, "session_id": s.g.session, "seq": s.g.seq})
	}
	return s.write(opIdentify, map[string]any{
		"token": s.g.token, "intents": s.g.intents, "compress": false, "large_threshold": 50,
		"properties": map[string]string{"os": runtime.GOOS, "browser": "petrel", "device": "petrel"},
	})
}

// beat sends heartbeats, the first after a random part of the interval. When one
// is not acknowledged by the time of the next, the socket is dead.
func (s *socket) beat(interval time.Duration, quit <-chan struct{}) {
	timer := time.NewTimer(rand.N(interval))
	defer timer.Stop()
	for {
		select {
		case <-quit:
			return
		case <-timer.C:
		}
		s.mu.Lock()
		dead := s.unheard
		s.unheard = true
		s.mu.Unlock()
		if dead {
			s.end(closeToResume, fmt.Errorf("the connection is dead: no acknowledgement of a heartbeat for %s", interval))
			return
		}
		if err := s.heartbeat(); err != nil {
			s.end(closeToResume, err)
			return
		}
		timer.Reset(interval)
	}
}

func (s *socket) heartbeat() error {
	s.mu.Lock()
	var last any
	if s.seq > 0 {
		last = s.seq
	}
	s.mu.Unlock()
	return s.write(opHeartbeat, last)
}

// take deals with a frame. An error ends the socket.
func (s *socket) take(f frame, interval time.Duration) error {
	switch f.Op {
	case opDispatch:
		return s.event(f, interval)
	case opHeartbeat:
		return s.heartbeat()
	case opHeartbeatAck:
		s.mu.Lock()
		s.unheard = false
		s.mu.Unlock()
	case opReconnect:
		s.end(closeToResume, nil)
		return errors.New("Discord asks to connect again")
	case opInvalidSession:
		var resumable bool
		s.forget = json.Unmarshal(f.Data, &resumable) != nil || !resumable
		s.end(closeToResume, nil)
		return &invalidSession{}
	}
	return nil
}

func (s *socket) event(f frame, interval time.Duration) error {
	s.mu.Lock()
	old := f.Seq <= s.seq
	if !old {
		s.seq = f.Seq
	}
	s.mu.Unlock()
	if old && f.Type != "RESUMED" {
		return nil // replayed although we have it
	}
	s.g.seq = max(s.g.seq, f.Seq)
	switch f.Type {
	case "READY":
		var ready struct {
			Session string `json:"session_id"`
			Resume  string `json:"resume_gateway_url"`
		}
		if err := json.Unmarshal(f.Data, &ready); err != nil {
			return fmt.Errorf("unreadable READY: %w", err)
		}
		s.g.session, s.g.resume = ready.Session, ready.Resume
		fallthrough
	case "RESUMED":
		s.ready = true
		s.g.connected(interval)
		s.g.log.Info("connected to Discord", "by", strings.ToLower(f.Type))
		// From here on the heartbeats tell whether the socket lives.
		if err := s.conn.SetReadDeadline(time.Time{}); err != nil {
			return err
		}
	}
	s.dispatch(f.Type, f.Data)
	return nil
}

func (s *socket) read() (frame, error) {
	var f frame
	_, body, err := s.conn.ReadMessage()
	if err != nil {
		return f, s.ended(err)
	}
	s.g.seen()
	if err := json.Unmarshal(body, &f); err != nil {
		return f, fmt.Errorf("unreadable frame from the gateway: %w", err)
	}
	return f, nil
}

// ended explains why reading failed.
func (s *socket) ended(err error) error {
	s.mu.Lock()
	cause := s.cause
	s.mu.Unlock()
	if cause != nil {
		return cause
	}
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		fatal, gone := closing(closed.Code)
		s.forget = s.forget || gone
		if fatal != "" {
			return &fatalError{fatal}
		}
	}
	return fmt.Errorf("the gateway's connection ended: %w", err)
}

func (s *socket) write(op int, data any) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	if err := s.conn.WriteJSON(map[string]any{"op": op, "d": data}); err != nil {
		return fmt.Errorf("write to the gateway: %w", err)
	}
	return nil
}

// end closes the socket from our side.
func (s *socket) end(code int, cause error) {
	s.mu.Lock()
	if s.cause == nil {
		s.cause = cause
	}
	s.mu.Unlock()
	message := websocket.FormatCloseMessage(code, "")
	// The other side may be gone already; the socket is closed either way.
	_ = s.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Second))
	s.conn.Close()
}
