package slack

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// socket is one connection of Socket Mode.
type socket struct {
	ws *websocket.Conn

	writing sync.Mutex
	mu      sync.Mutex
	quiet   bool                   // half open
	waiting map[string]chan ackMsg // by envelope ID
	gone    chan struct{}
	leaving bool // announced to be closed
}

// ackMsg is what the app answers to an envelope.
type ackMsg struct {
	Envelope string          `json:"envelope_id"`
	Payload  json.RawMessage `json:"payload"`
}

// maxAck: Slack drops acknowledgements that are larger.
const maxAck = 20 << 10

func (s *Server) openConnection(args) (reply, error) {
	ticket := s.id("W")
	s.tickets[ticket] = true
	return reply{"url": "ws" + strings.TrimPrefix(s.http.URL, "http") + "/link?ticket=" + ticket}, nil
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	ticket := r.URL.Query().Get("ticket")
	s.mu.Lock()
	valid := s.tickets[ticket] && !s.revoked
	delete(s.tickets, ticket)
	many := len(s.sockets) >= 10
	s.mu.Unlock()
	if !valid {
		http.Error(w, "invalid ticket", http.StatusForbidden)
		return
	}
	up := websocket.Upgrader{}
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	k := &socket{ws: ws, waiting: map[string]chan ackMsg{}, gone: make(chan struct{})}
	if many {
		k.send(map[string]any{"type": "disconnect", "reason": "too_many_websockets"})
		ws.Close()
		return
	}
	ws.SetPingHandler(func(data string) error {
		if !k.isQuiet() {
			return ws.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
		}
		return nil
	})
	s.mu.Lock()
	select {
	case <-s.done:
		s.mu.Unlock()
		ws.Close()
		return
	default:
	}
	s.wire.Add(1) // the server does not wait for connections that were taken over
	s.sockets = append(s.sockets, k)
	n := len(s.sockets)
	s.mu.Unlock()
	defer s.wire.Done()
	k.send(map[string]any{"type": "hello", "num_connections": n, "connection_info": map[string]any{"app_id": "A0FAKE"}, "debug_info": map[string]any{"host": "fake"}})
	s.wire.Go(func() { s.ping(k) })
	k.read()
	close(k.gone)
	ws.Close()
	s.mu.Lock()
	s.sockets = slices.DeleteFunc(s.sockets, func(o *socket) bool { return o == k })
	s.mu.Unlock()
}

func (s *Server) ping(k *socket) {
	tick := time.NewTicker(s.PingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !k.isQuiet() {
				// A broken connection ends the reader.
				_ = k.ws.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(time.Second))
			}
		case <-k.gone:
			return
		}
	}
}

// read takes acknowledgements until the connection ends.
func (k *socket) read() {
	for {
		_, frame, err := k.ws.ReadMessage()
		if err != nil {
			return
		}
		if k.isQuiet() {
			continue // lost on its way
		}
		var m ackMsg
		if json.Unmarshal(frame, &m) != nil || len(frame) >= maxAck {
			continue
		}
		k.mu.Lock()
		w := k.waiting[m.Envelope]
		delete(k.waiting, m.Envelope)
		k.mu.Unlock()
		if w != nil {
			w <- m
		}
	}
}

func (k *socket) silence(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.quiet = on
}

func (k *socket) isQuiet() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.quiet
}

// send writes a frame; a broken connection shows when it is read.
func (k *socket) send(v any) {
	k.writing.Lock()
	defer k.writing.Unlock()
	if k.isQuiet() {
		return
	}
	k.ws.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_ = k.ws.WriteJSON(v)
	if m, ok := v.(map[string]any); ok && m["type"] == "disconnect" {
		k.mu.Lock()
		k.leaving = true
		k.mu.Unlock()
	}
}

// envelope sends a delivery and waits for its acknowledgement. ok is false when
// none came in time.
func (k *socket) envelope(id string, frame map[string]any, deadline time.Duration) (body json.RawMessage, ok bool) {
	w := make(chan ackMsg, 1)
	k.mu.Lock()
	k.waiting[id] = w
	k.mu.Unlock()
	k.send(frame)
	select {
	case m := <-w:
		return m.Payload, true
	case <-k.gone:
	case <-time.After(deadline):
	}
	k.mu.Lock()
	delete(k.waiting, id)
	k.mu.Unlock()
	return nil, false
}

// next picks a connection, each in turn. It needs s.mu.
func (s *Server) next() *socket {
	var ready []*socket
	for _, k := range s.sockets {
		k.mu.Lock()
		if !k.leaving {
			ready = append(ready, k)
		}
		k.mu.Unlock()
	}
	if len(ready) == 0 {
		return nil
	}
	s.turn++
	return ready[s.turn%len(ready)]
}

// Connections is how many connections of Socket Mode are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sockets)
}
