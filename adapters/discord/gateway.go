package discord

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/bwmarrin/discordgo"

	"petrel/adapters"
)

// gateway keeps one connection to Discord's gateway alive, for ever: it notices
// dead sockets, takes up the session where it was (RESUME) as long as Discord
// lets it, and begins new ones within Discord's budget (IDENTIFY).
type gateway struct {
	token   string
	intents discordgo.Intent
	api     *api
	log     *slog.Logger

	// Only the goroutine of run and the socket that it made touch these.
	session string // ID of the session to resume, "" for none
	resume  string // where to resume it
	url     string // where new sessions begin
	seq     int64  // number of the last event of the session

	mu       sync.Mutex
	up       bool
	last     time.Time // last frame
	interval time.Duration
	problem  string
}

func newGateway(token string, i discordgo.Intent, a *api, log *slog.Logger) *gateway {
	return &gateway{token: token, intents: i, api: a, log: log, problem: "not started"}
}

// intents are the kinds of events to ask for.
func intents(content bool) discordgo.Intent {
	i := discordgo.IntentGuilds | discordgo.IntentGuildMessages | discordgo.IntentDirectMessages
	if content {
		i |= discordgo.IntentMessageContent
	}
	return i
}

const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// fatalError: Discord will not have this bot, however often it comes.
type fatalError struct{ text string }

func (e *fatalError) Error() string { return e.text }

// run connects until ctx ends (nil) or Discord refuses for good. dispatch takes
// events in their order and must not block.
func (g *gateway) run(ctx context.Context, dispatch func(kind string, data []byte)) error {
	pause := firstPause
	for {
		wasUp, err := g.connect(ctx, dispatch)
		if ctx.Err() != nil {
			g.down("stopped")
			return nil
		}
		g.down(err.Error())
		var fatal *fatalError
		if errors.As(err, &fatal) {
			return fatal
		}
		wait := jitter(pause)
		pause = min(2*pause, lastPause)
		if wasUp {
			wait, pause = 0, firstPause
		}
		var retry *adapters.RetryError
		var stopped *invalidSession
		switch {
		case errors.As(err, &retry):
			wait = max(wait, retry.After)
		case errors.As(err, &stopped):
			wait = time.Second + jitter(4*time.Second) // as the documentation of op 9 asks
		}
		g.log.Warn("not connected to Discord", "error", err, "again_in", wait, "resume", g.session != "")
		select {
		case <-ctx.Done():
			g.down("stopped")
			return nil
		case <-time.After(wait):
		}
	}
}

// jitter is a random time between half of d and d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// connect lives through one socket. wasUp: events could be received over it.
func (g *gateway) connect(ctx context.Context, dispatch func(kind string, data []byte)) (wasUp bool, err error) {
	address := g.resume
	if address == "" {
		address = g.url
	}
	if g.session == "" || address == "" {
		if err := g.budget(ctx); err != nil {
			return false, err
		}
		address = g.url
	}
	s := &socket{g: g, dispatch: dispatch}
	err = s.run(ctx, address)
	if s.forget {
		g.session, g.resume, g.seq = "", "", 0
	}
	return s.ready, err
}

// gatewayInfo is the answer of GET /gateway/bot.
type gatewayInfo struct {
	URL   string `json:"url"`
	Limit struct {
		Total       int `json:"total"`
		Remaining   int `json:"remaining"`
		ResetAfter  int `json:"reset_after"` // milliseconds
		Concurrency int `json:"max_concurrency"`
	} `json:"session_start_limit"`
}

// scarce is how many of the day's sessions (1000, as a rule) are kept for later:
// with fewer left they are spread over the time until there are new ones. A bot
// that uses up its budget has its token reset by Discord.
const scarce = 100

// budget asks where the gateway is and whether a new session may begin now.
func (g *gateway) budget(ctx context.Context) error {
	var info gatewayInfo
	err := g.api.get(ctx, "gateway/bot", &info)
	if refusedStatus(err) == http.StatusUnauthorized {
		return &fatalError{"Discord refuses the bot token: make a new one in the Developer Portal under Bot, and put it into chat.discord.token"}
	}
	if err != nil {
		return fmt.Errorf("ask for the gateway: %w", err)
	}
	g.url = info.URL
	left, reset := info.Limit.Remaining, time.Duration(info.Limit.ResetAfter)*time.Millisecond
	if info.Limit.Total > 0 && left <= 0 {
		return &adapters.RetryError{After: reset, Err: errors.New("Discord lets this bot begin no more sessions today; it was started or reconnected too often")}
	}
	g.mu.Lock()
	began := !g.last.IsZero()
	g.mu.Unlock()
	if info.Limit.Total > scarce && left < scarce && began {
		wait := reset / time.Duration(left+1)
		g.log.Warn("few sessions are left to this bot; waiting before the next", "left", left, "wait", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
	return nil
}

func (g *gateway) down(problem string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.up, g.problem = false, problem
}

func (g *gateway) seen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = time.Now()
}

func (g *gateway) connected(interval time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.up, g.problem, g.interval = true, "", interval
}

func (g *gateway) health() adapters.Health {
	g.mu.Lock()
	defer g.mu.Unlock()
	return adapters.Health{
		Connected: g.up, LastFrame: g.last, Problem: g.problem,
		Stale: g.up && time.Since(g.last) > 2*g.interval+5*time.Second,
	}
}

// closing explains Discord's close codes (docs, topics/opcodes-and-status-codes):
// fatal ones end Run, after others the session is gone.
func closing(code int) (fatal string, gone bool) {
	switch code {
	case 4004:
		return "Discord refuses the bot token (close code 4004): make a new one in the Developer Portal under Bot, and put it into chat.discord.token", true
	case 4010, 4011:
		return fmt.Sprintf("Discord wants this bot to be sharded (close code %d): it is on too many servers for one connection; leave some", code), true
	case 4012:
		return "Discord no longer speaks this version of its gateway (close code 4012): update this program", true
	case 4013:
		return "Discord does not know an intent that was asked for (close code 4013): update this program", true
	case 4014:
		return "Discord does not allow this bot the message content intent (close code 4014): switch on Message Content Intent in the Developer Portal under Bot, or set chat.discord.message_content to false", true
	case 4003, 4007, 4009:
		return "", true
	}
	return "", false
}
