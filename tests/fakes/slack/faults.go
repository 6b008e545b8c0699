package slack

import (
	"slices"
	"time"
)

// faults is what goes wrong next.
type faults struct {
	slow        time.Duration
	limited     int
	limitAfter  time.Duration
	limitOne    map[string]int // by method
	lose        int
	duplicate   int
	reorder     int
	held        []func()
	revoked     bool
	refuseForms bool
}

// Drop cuts all WebSocket connections.
func (s *Server) Drop() {
	s.mu.Lock()
	sockets := slices.Clone(s.sockets)
	s.mu.Unlock()
	for _, k := range sockets {
		k.ws.NetConn().Close()
	}
}

// Refresh announces to all connections that they will be closed, as Slack does
// every few hours, and closes them a little later.
func (s *Server) Refresh() {
	s.mu.Lock()
	sockets := slices.Clone(s.sockets)
	s.mu.Unlock()
	for _, k := range sockets {
		k.send(map[string]any{"type": "disconnect", "reason": "refresh_requested", "debug_info": map[string]any{"host": "fake"}})
	}
}

// HalfOpen makes the present connections silent while they stay open: nothing is
// sent, nothing is read. New ones are not affected. false ends it.
func (s *Server) HalfOpen(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sockets {
		k.silence(on)
	}
}

// Duplicate delivers the next n events twice.
func (s *Server) Duplicate(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.duplicate = n
}

// Reorder holds the next n events back and delivers them in the opposite order.
func (s *Server) Reorder(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reorder = n
}

// RateLimit answers the next n calls of the Web API with 429.
func (s *Server) RateLimit(n int, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited, s.limitAfter = n, after
}

// LimitMethod answers the next n calls of one method with 429.
func (s *Server) LimitMethod(method string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limitOne = map[string]int{method: n}
}

// LoseReplies does the next n posts but cuts the connection instead of answering.
func (s *Server) LoseReplies(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = n
}

// Slow makes everything take d longer.
func (s *Server) Slow(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = d
}

// Revoke makes the tokens worthless.
func (s *Server) Revoke() {
	s.mu.Lock()
	s.revoked = true
	s.mu.Unlock()
	s.Drop()
}

// RefuseForms makes views.open fail, as when the three seconds are over.
func (s *Server) RefuseForms(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuseForms = on
}

// Skew sets Slack's clock off ours.
func (s *Server) Skew(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = d
}

// ExpireReplies lets the thirty minutes of all response_urls be over.
func (s *Server) ExpireReplies() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.replies {
		r.expired = true
	}
}

// blow is what one call suffers.
type blow struct {
	slow    time.Duration
	limited time.Duration
	lose    bool
}

func (s *Server) strike(method string, post bool) (b blow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[method]++
	b.slow = s.slow
	if s.limited > 0 {
		s.limited--
		b.limited = max(s.limitAfter, time.Millisecond)
		return b
	}
	if s.limitOne[method] > 0 {
		s.limitOne[method]--
		b.limited = time.Millisecond
		return b
	}
	if post && s.lose > 0 {
		s.lose--
		b.lose = true
	}
	return b
}
