package mattermost

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// socket is a connection of the bot, or what the server remembers of one: the
// last events it sent, so that they can be asked for again.
type socket struct {
	id     string
	conn   *websocket.Conn
	active bool
	frozen bool // the network swallows everything
	next   int64
	dead   []frame // what was sent, the last deadQueue of it
	out    chan frame
	left   time.Time
}

type frame struct {
	seq  int64
	body []byte
}

const (
	deadQueue = 128
	sendQueue = 256
	remember  = 5 * time.Minute
)

// emit puts an event into every connection of the bot. It needs s.mu.
func (s *Server) emit(kind string, data, broadcast map[string]any) {
	for _, k := range s.sockets {
		k.event(s, kind, data, broadcast)
	}
}

// event needs s.mu. An inactive connection keeps collecting, as the real one
// does, until its queue is full.
func (k *socket) event(s *Server, kind string, data, broadcast map[string]any) {
	body, _ := json.Marshal(map[string]any{"event": kind, "data": data, "broadcast": broadcast, "seq": k.next})
	f := frame{seq: k.next, body: body}
	k.next++
	select {
	case k.out <- f:
	default:
		if k.conn != nil {
			k.conn.Close() // too slow
		}
	}
}

func (s *Server) serveSocket(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if !s.valid(bearer(r)) {
		// The real one waits for an authentication challenge, and hangs up on a
		// wrong token.
		_, body, err := conn.ReadMessage()
		var ask struct {
			Data struct{ Token string }
		}
		if err != nil || json.Unmarshal(body, &ask) != nil || !s.valid(ask.Data.Token) {
			return
		}
	}
	q := r.URL.Query()
	seq, _ := strconv.ParseInt(q.Get("sequence_number"), 10, 64)
	k, fresh := s.attach(conn, q.Get("connection_id"), seq)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		k.write(s, conn, fresh, quit)
	}()
	conn.SetPingHandler(func(data string) error {
		if s.isFrozen(k) {
			return nil
		}
		return conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second))
	})
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			break
		}
	}
	close(quit)
	conn.Close()
	<-done
	s.mu.Lock()
	defer s.mu.Unlock()
	k.active, k.conn, k.left = false, nil, time.Now()
}

// attach finds the connection that a client wants to go on with, or makes one.
// first are the frames that it is sent before all others.
func (s *Server) attach(conn *websocket.Conn, id string, seq int64) (k *socket, first []frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Connections++
	s.sockets = slices.DeleteFunc(s.sockets, func(k *socket) bool { return !k.active && time.Since(k.left) > remember })
	if i := slices.IndexFunc(s.sockets, func(k *socket) bool { return k.id == id && !k.active }); i >= 0 && !s.faults.forget {
		old := s.sockets[i]
		at := slices.IndexFunc(old.dead, func(f frame) bool { return f.seq == seq })
		lastSent := int64(-1)
		if n := len(old.dead); n > 0 {
			lastSent = old.dead[n-1].seq
		}
		if at >= 0 || seq == lastSent+1 {
			if at >= 0 {
				first = slices.Clone(old.dead[at:])
			}
			old.conn, old.active, old.frozen = conn, true, false
			s.counts.Resumed++
			return old, first
		}
		s.sockets = slices.Delete(s.sockets, i, i+1)
	}
	s.faults.forget = false
	k = &socket{id: newID(), conn: conn, active: true, out: make(chan frame, sendQueue)}
	s.sockets = append(s.sockets, k)
	k.event(s, "hello", map[string]any{"connection_id": k.id, "server_version": "11.5.0"}, map[string]any{"user_id": s.bot.ID})
	return k, nil
}

func (s *Server) isFrozen(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.frozen
}

// write sends what the connection has to say until it ends.
func (k *socket) write(s *Server, conn *websocket.Conn, first []frame, quit <-chan struct{}) {
	ping := time.NewTicker(60 * time.Second)
	defer ping.Stop()
	for _, f := range first {
		if conn.WriteMessage(websocket.TextMessage, f.body) != nil {
			return
		}
	}
	var kept *frame // for reordering
	for {
		var flush <-chan time.Time
		if kept != nil {
			flush = time.After(50 * time.Millisecond)
		}
		select {
		case <-quit:
			return
		case <-ping.C:
			if !s.isFrozen(k) {
				conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
			}
		case <-flush:
			conn.WriteMessage(websocket.TextMessage, kept.body)
			kept = nil
		case f := <-k.out:
			frozen, twice, keep, slow := s.onFrame(k, f, kept != nil)
			if slow > 0 {
				select {
				case <-time.After(slow):
				case <-quit:
					return
				}
			}
			if frozen {
				continue
			}
			if keep {
				kept = &f
				continue
			}
			frames := [][]byte{f.body}
			if twice {
				frames = append(frames, f.body)
			}
			if kept != nil {
				frames = append(frames, kept.body)
				kept = nil
			}
			for _, body := range frames {
				if conn.WriteMessage(websocket.TextMessage, body) != nil {
					return
				}
			}
		}
	}
}

// onFrame notes a frame as sent and says what the faults make of it.
func (s *Server) onFrame(k *socket, f frame, keeping bool) (frozen, twice, keep bool, slow time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.dead = append(k.dead, f)
	if len(k.dead) > deadQueue {
		k.dead = k.dead[1:]
	}
	if f.seq > 0 {
		switch {
		case s.faults.duplicate > 0:
			s.faults.duplicate--
			twice = true
		case s.faults.reorder > 0 && !keeping:
			s.faults.reorder--
			keep = true
		}
	}
	return k.frozen, twice, keep, s.faults.slow
}
