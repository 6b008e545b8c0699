package discord

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// limits remembers what Discord said about its rate limits. Nothing waits here:
// who comes too early is told when to come again.
//
// Limits are kept by route and by the channel, guild or webhook in it, as
// Discord counts them (docs, topics/rate-limits).
type limits struct {
	mu     sync.Mutex
	routes map[string]allowance
	global time.Time
}

type allowance struct {
	left  int
	reset time.Time
}

func newLimits() *limits { return &limits{routes: map[string]allowance{}} }

// wait is how long a request has to wait, and counts it when it has not to.
func (l *limits) wait(route string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.global.Sub(now); d > 0 && !strings.Contains(route, "interactions/") && !strings.Contains(route, "webhooks/") {
		return d
	}
	r, known := l.routes[route]
	switch d := r.reset.Sub(now); {
	case !known:
	case d <= 0:
		delete(l.routes, route)
	case r.left <= 0:
		return d
	default:
		r.left--
		l.routes[route] = r
	}
	return 0
}

// learn takes the limits out of an answer.
func (l *limits) learn(route string, resp *http.Response, body []byte, now time.Time) {
	if resp.StatusCode == http.StatusTooManyRequests {
		l.learnRefusal(route, resp.Header, body, now)
		return
	}
	left, err := strconv.Atoi(resp.Header.Get("X-RateLimit-Remaining"))
	after, err2 := strconv.ParseFloat(resp.Header.Get("X-RateLimit-Reset-After"), 64)
	if err != nil || err2 != nil {
		return
	}
	reset := now.Add(seconds(after))
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, known := l.routes[route]; known && old.reset.After(now) && old.left < left {
		left = old.left // others are on their way
	}
	l.put(route, allowance{left, reset}, now)
}

func (l *limits) learnRefusal(route string, h http.Header, body []byte, now time.Time) {
	after := retryAfter(h, body)
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.Get("X-RateLimit-Global") == "true" {
		l.global = now.Add(after)
		return
	}
	l.put(route, allowance{0, now.Add(after)}, now)
}

// put needs l.mu. It forgets what is over when there is much.
func (l *limits) put(route string, a allowance, now time.Time) {
	if len(l.routes) > 2000 {
		for k, old := range l.routes {
			if !old.reset.After(now) {
				delete(l.routes, k)
			}
		}
	}
	l.routes[route] = a
}

// retryAfter is how long a 429 asks to wait; the body is more exact.
func retryAfter(h http.Header, body []byte) time.Duration {
	var said struct {
		After float64 `json:"retry_after"`
	}
	if json.Unmarshal(body, &said) == nil && said.After > 0 {
		return seconds(said.After)
	}
	if s, err := strconv.ParseFloat(h.Get("Retry-After"), 64); err == nil && s > 0 {
		return seconds(s)
	}
	return time.Second
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// routeOf names the limit that a request counts against. path begins behind
// the version of the API.
func routeOf(method, path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		major := i == 1 || i == 2 && (parts[0] == "webhooks" || parts[0] == "interactions")
		switch {
		case i > 0 && parts[i-1] == "reactions":
			parts[i] = "emoji"
		case !major && isID(p):
			parts[i] = "id"
		}
	}
	return method + " " + strings.Join(parts, "/")
}
