package sensors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"petrel/engine"
)

func every(name, unit string, delta int) *engine.Rule {
	return &engine.Rule{Ref: name, Enabled: true, Trigger: engine.TriggerSpec{
		Type:       engine.TriggerIntervalTimer,
		Parameters: json.RawMessage(fmt.Sprintf(`{"unit":%q,"delta":%d}`, unit, delta)),
	}}
}

// clockwork collects the ticks of timers, as seconds after the start.
type clockwork struct {
	mu       sync.Mutex
	rules    []*engine.Rule
	replaced chan struct{}
	ticks    []string
	seen     map[string]bool // delivery IDs
	refuse   int             // how many ticks to refuse first
	begun    time.Time
}

func (c *clockwork) current() ([]*engine.Rule, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rules, c.replaced
}

func (c *clockwork) replace(rules ...*engine.Rule) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rules = rules
	close(c.replaced)
	c.replaced = make(chan struct{})
}

func (c *clockwork) fire(_ context.Context, t Tick) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse > 0 {
		c.refuse--
		return errors.New("busy")
	}
	if c.seen[t.DeliveryID] {
		return nil
	}
	c.seen[t.DeliveryID] = true
	c.ticks = append(c.ticks, fmt.Sprint(int(time.Since(c.begun).Seconds())))
	return nil
}

// wind runs timers for a while.
func wind(t *testing.T, c *clockwork, length time.Duration, then func()) string {
	t.Helper()
	c.replaced, c.seen, c.begun = make(chan struct{}), map[string]bool{}, time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	timers := &Timers{Rules: c.current, Fire: c.fire, Logger: slog.New(slog.DiscardHandler)}
	done := make(chan error)
	go func() { done <- timers.Run(ctx) }()
	if then != nil {
		then()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	return strings.Join(c.ticks, " ")
}

func TestTimers(t *testing.T) {
	disabled := every("c", "seconds", 1)
	disabled.Enabled = false
	for _, tt := range []struct {
		name  string
		rules []*engine.Rule
		want  string
	}{
		{"one", []*engine.Rule{every("a", "seconds", 10)}, "10 20 30"},
		{"two rules, one timer", []*engine.Rule{every("a", "seconds", 10), every("b", "seconds", 10)}, "10 20 30"},
		{"two timers", []*engine.Rule{every("a", "seconds", 10), every("b", "seconds", 15)}, "10 15 20 30 30"},
		{"disabled and impossible", []*engine.Rule{disabled, every("d", "moons", 1)}, ""},
		{"none", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := wind(t, &clockwork{rules: tt.rules}, 35*time.Second, nil); got != tt.want {
					t.Errorf("ticks at %q, want %q", got, tt.want)
				}
			})
		})
	}
}

// A change of the rules keeps the rhythm of timers that stay.
func TestTimersFollowTheRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{rules: []*engine.Rule{every("a", "seconds", 10)}}
		got := wind(t, c, 35*time.Second, func() {
			time.Sleep(15 * time.Second)
			c.replace(every("a", "seconds", 10), every("b", "seconds", 6))
			time.Sleep(7 * time.Second)
			c.replace(every("b", "seconds", 6))
		})
		if want := "10 20 21 27 33"; got != want {
			t.Errorf("ticks at %q, want %q", got, want)
		}
	})
}

// A tick that cannot be recorded is tried again and stays the same tick.
func TestTickIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clockwork{rules: []*engine.Rule{every("a", "seconds", 10)}, refuse: 3}
		if got, want := wind(t, c, 35*time.Second, nil), "13 20 30"; got != want {
			t.Errorf("ticks at %q, want %q", got, want)
		}
	})
}
