package slack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"petrel/adapters"
)

// remedies says what to do about the errors of Slack that an operator or an
// author can mend.
var remedies = map[string]string{
	"not_in_channel":         "invite the app to the channel: /invite @its-name",
	"channel_not_found":      "no such channel, or a private one that the app is not in",
	"is_archived":            "the channel is archived",
	"restricted_action":      "the workspace does not let the app post here",
	"invalid_auth":           "the token is not one of this Slack; copy it again",
	"not_authed":             "the token is empty",
	"account_inactive":       "the app was removed from the workspace; install it again",
	"token_revoked":          "the token was revoked; install the app again and copy the new one",
	"token_expired":          "the token has expired; turn token rotation off for the app",
	"not_allowed_token_type": "this kind of token cannot do that: a bot token begins with xoxb-, an app token with xapp-",
	"msg_too_long":           "the text is too long for Slack",
	"msg_blocks_too_long":    "the text is too long for Slack",
	"message_not_found":      "the message is gone",
	"cant_update_message":    "only the app that posted a message can change it",
	"edit_window_closed":     "the workspace lets messages be edited for a while only",
	"user_not_in_channel":    "the person is not in the channel",
	"expired_trigger_id":     "a form must be opened within three seconds",
}

// fatal are the errors after which connecting again makes no sense.
var fatal = []string{"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type", "no_permission", "org_login_required"}

// code returns Slack's own word for an error, "" when it is none of Slack's.
func code(err error) string {
	var refused slack.SlackErrorResponse
	if errors.As(err, &refused) {
		return refused.Err
	}
	return ""
}

// fatalError returns the error with what to do about it when what (a token) can
// never work, else nil.
func fatalError(what string, err error) error {
	c := code(err)
	if !slices.Contains(fatal, c) && c != "missing_scope" {
		return nil
	}
	return fmt.Errorf("Slack refuses the %s: %w", what, explain(err))
}

// explain adds to an error of Slack what can be done about it. Addresses are left
// out: who knows a response_url can use it.
func explain(err error) error {
	var refused slack.SlackErrorResponse
	var failed *url.Error
	if errors.As(err, &failed) {
		return fmt.Errorf("no answer from %s: %w", hostOf(failed.URL), failed.Err)
	}
	if !errors.As(err, &refused) {
		return err
	}
	if refused.Err == "missing_scope" {
		return fmt.Errorf("%w: the app lacks the scope %s; add it under OAuth & Permissions and install the app again", err, refused.Needed)
	}
	if len(refused.ResponseMetadata.Messages) > 0 {
		return fmt.Errorf("%w: %v", err, refused.ResponseMetadata.Messages)
	}
	if remedy := remedies[refused.Err]; remedy != "" {
		return fmt.Errorf("%w: %s", err, remedy)
	}
	return err
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "Slack"
	}
	return u.Host
}

// call is one call of the Web API under observation.
type call struct {
	method string
	// again: doing it twice is the same as doing it once.
	again bool
	sent  atomic.Bool  // something of the request left this machine
	left  *atomic.Bool // told so, too; may be nil
}

// context watches whether the request leaves.
func (c *call) context(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() {
		c.sent.Store(true)
		if c.left != nil {
			c.left.Store(true)
		}
	}})
}

// judge turns the error of a call into what the contract says: *RetryError,
// ErrOutcomeUnknown, or permanent.
func (c *call) judge(err error) error {
	if err == nil {
		return nil
	}
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	named := fmt.Errorf("%s: %w", c.method, explain(err))
	retry := func(after time.Duration) error { return &adapters.RetryError{After: after, Err: named} }
	lost := func() error {
		if c.again || !c.sent.Load() {
			return retry(2 * time.Second)
		}
		return fmt.Errorf("%w: %w", adapters.ErrOutcomeUnknown, named)
	}
	switch {
	case errors.As(err, &limited):
		return retry(max(limited.RetryAfter, 100*time.Millisecond))
	case errors.As(err, &status) && status.Code == http.StatusTooManyRequests:
		return retry(5 * time.Second)
	case errors.As(err, &status) && status.Code >= 500:
		return lost()
	case errors.As(err, &status):
		return named
	}
	switch code(err) {
	case "":
		return lost() // no answer, or none that can be read
	case "ratelimited", "rate_limited", "service_unavailable", "request_timeout", "accesslimited":
		return retry(5 * time.Second)
	case "internal_error", "fatal_error":
		return lost() // Slack: "some aspect of the operation may have succeeded"
	}
	return named
}

// backoff is how long to wait between two tries to connect.
type backoff struct {
	min, max, now time.Duration
}

func (a *Adapter) newBackoff() *backoff {
	return &backoff{min: a.timing.BackoffMin, max: a.timing.BackoffMax}
}

// next returns the next pause, with jitter; Slack's own wish counts more.
func (b *backoff) next(err error) time.Duration {
	b.now = min(max(2*b.now, b.min), b.max)
	pause := b.now/2 + rand.N(b.now/2+1)
	var limited *slack.RateLimitedError
	if errors.As(err, &limited) && limited.RetryAfter > pause {
		pause = limited.RetryAfter + rand.N(time.Second)
	}
	return pause
}

func (b *backoff) reset() { b.now = 0 }
