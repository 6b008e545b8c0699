package discord

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bwmarrin/discordgo"

	"petrel/adapters"
)

// requestLimit bounds one request to Discord.
const requestLimit = 20 * time.Second

// api is Discord's REST interface. Errors of its methods are *adapters.RetryError
// (the request was not done and may be made again), *lostError (it may or may not
// have been done), *discordgo.RESTError (refused; see code), or the context's.
type api struct {
	session *discordgo.Session
	skew    atomic.Int64 // how much Discord's clock is ahead of ours, as last seen, in nanoseconds
}

// lostError: there is no answer, so it is unknown whether the request was done.
type lostError struct{ err error }

func (e *lostError) Error() string { return fmt.Sprintf("no answer from Discord: %v", e.err) }
func (e *lostError) Unwrap() error { return e.err }

// newAPI makes a client; base "" is discord.com.
func newAPI(token string, base *url.URL, under http.RoundTripper) (*api, error) {
	s, err := discordgo.New("Bot " + token)
	if err != nil {
		return nil, err
	}
	if under == nil {
		own := http.DefaultTransport.(*http.Transport).Clone()
		own.MaxIdleConnsPerHost = 16
		under = own
	}
	a := &api{session: s}
	s.Client = &http.Client{Timeout: requestLimit, Transport: &transport{under: under, base: base, limits: newLimits(), api: a}}
	s.ShouldRetryOnRateLimit = false
	s.MaxRestRetries = 0
	s.UserAgent = "DiscordBot (petrel, 1)"
	return a, nil
}

func (a *api) get(ctx context.Context, path string, out any) error {
	return a.do(ctx, http.MethodGet, path, nil, nil, out)
}

// do makes a request. path begins behind the version of the API, body is what
// JSON is made of; out may be nil.
func (a *api) do(ctx context.Context, method, path string, body any, files []*discordgo.File, out any) error {
	var raw []byte
	kind := "application/json"
	var err error
	switch {
	case len(files) > 0:
		kind, raw, err = discordgo.MultipartBodyWithJSON(body, files)
	case body != nil:
		raw, err = json.Marshal(body)
	}
	if err != nil {
		return fmt.Errorf("encode a request to Discord: %w", err)
	}
	// A bucket of its own for each request: the limits are kept by the transport,
	// which does not sleep.
	bucket := discordgo.NewRatelimiter().LockBucket(path)
	answer, err := a.session.RequestWithLockedBucket(method, discordgo.EndpointAPI+path, kind, raw, bucket, 0, discordgo.WithContext(ctx))
	if err != nil {
		return classify(ctx, err)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return &lostError{fmt.Errorf("%s %s: unreadable answer: %w", method, path, err)}
	}
	return nil
}

// classify turns what a request failed with into one of api's errors.
func classify(ctx context.Context, err error) error {
	var retry *adapters.RetryError
	var rest *discordgo.RESTError
	var dial *net.OpError
	switch {
	case errors.As(err, &retry):
		return retry
	case errors.As(err, &rest):
		if rest.Response.StatusCode >= 500 {
			return &lostError{rest}
		}
		return &refusal{rest}
	case errors.As(err, &dial) && dial.Op == "dial" && ctx.Err() == nil:
		return &adapters.RetryError{After: time.Second, Err: fmt.Errorf("Discord cannot be reached: %w", dial)}
	}
	return &lostError{err}
}

// refusal is an error that Discord answered with.
type refusal struct{ rest *discordgo.RESTError }

// The error codes of Discord that are treated specially (docs, topics/opcodes-and-status-codes).
const (
	codeUnknownChannel     = 10003
	codeUnknownMessage     = 10008
	codeUnknownWebhook     = 10015
	codeUnknownInteraction = 10062
	codeAlreadyAnswered    = 40060
	codeMissingAccess      = 50001
	codeNotInDirect        = 50003
	codeNotOurs            = 50005
	codeCannotDirect       = 50007
	codeMissingPermission  = 50013
	codeWrongChannelKind   = 50024
	codeTokenRanOut        = 50027
	codeInvalidBody        = 50035
	codeArchived           = 50083
	codeNoHistory          = 160002
	codeThreadExists       = 160004
	codeLocked             = 160005
)

func (e *refusal) Error() string {
	r := e.rest
	said := strings.TrimSpace(string(r.ResponseBody))
	if r.Message != nil && r.Message.Message != "" {
		said = fmt.Sprintf("%s (code %d)", r.Message.Message, r.Message.Code)
		if r.Message.Code == codeInvalidBody {
			said += ": " + strings.TrimSpace(string(r.ResponseBody))
		}
	}
	text := fmt.Sprintf("Discord refuses %s %s: %s: %s", r.Request.Method, r.Request.URL.Path, r.Response.Status, said)
	switch {
	case r.Response.StatusCode == http.StatusUnauthorized && e.code() == 0:
		text += "; the bot token is not valid (any more)"
	case e.code() == codeMissingAccess, e.code() == codeMissingPermission:
		text += "; give the bot's role the permission in that channel"
	}
	return text
}

func (e *refusal) Unwrap() error { return e.rest }

func (e *refusal) code() int {
	if e.rest.Message == nil {
		return 0
	}
	return e.rest.Message.Code
}

// refusedWith reports whether Discord refused with one of these codes.
func refusedWith(err error, codes ...int) bool {
	var r *refusal
	if !errors.As(err, &r) {
		return false
	}
	for _, c := range codes {
		if r.code() == c {
			return true
		}
	}
	return false
}

// refusedStatus returns the HTTP status of a refusal, 0 when err is none.
func refusedStatus(err error) int {
	var r *refusal
	if !errors.As(err, &r) {
		return 0
	}
	return r.rest.Response.StatusCode
}

// transport sends requests to where Discord is, and keeps to its limits.
type transport struct {
	under  http.RoundTripper
	base   *url.URL
	limits *limits
	api    *api
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	_, path, _ := strings.Cut(req.URL.Path, "/api/v"+discordgo.APIVersion+"/")
	route := routeOf(req.Method, path)
	if d := t.limits.wait(route, time.Now()); d > 0 {
		return nil, &adapters.RetryError{After: d, Err: errors.New("Discord's rate limit is used up")}
	}
	if t.base.Host != "" {
		req = req.Clone(req.Context())
		req.URL.Scheme, req.URL.Host, req.Host = t.base.Scheme, t.base.Host, ""
		if prefix := strings.TrimSuffix(t.base.Path, "/"); prefix != "" {
			req.URL.Path = prefix + req.URL.Path
			req.URL.RawPath = ""
		}
	}
	sent := time.Now()
	resp, err := t.under.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	now := time.Now()
	t.limits.learn(route, resp, body, now)
	if resp.StatusCode == http.StatusTooManyRequests {
		return nil, &adapters.RetryError{After: retryAfter(resp.Header, body), Err: errors.New("Discord limits the rate of requests")}
	}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		// The header is cut to seconds: half of one is its mean error.
		t.api.skew.Store(int64(at.Add(time.Second / 2).Sub(sent.Add(now.Sub(sent) / 2))))
	}
	return resp, nil
}
