// Package adapters is the chat contract: what a chat platform gives the program
// (Events) and what the program gives a platform (Messages). One sub-package
// per platform implements Adapter: it connects, translates and sends, nothing
// else. It has never heard of executions, aliases or rules.
package adapters

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Adapter is one connection to one chat platform.
type Adapter interface {
	// Name is the configured name, unique in the process, e.g. "terminal".
	Name() string

	// Capabilities says what the platform can show. Constant after Run began.
	Capabilities() Capabilities

	// Run connects and delivers events to h until ctx ends (then it returns
	// nil) or the platform refuses for good (an error that says why). It
	// reconnects by itself, for ever, on everything else.
	Run(ctx context.Context, h Handler) error

	// Send posts a message and returns where it is. Two sends with the same
	// non-empty Key make one message, as far as the platform can promise it.
	// Errors: *RetryError, ErrOutcomeUnknown, or permanent.
	Send(ctx context.Context, m Message) (Ref, error)

	// Update replaces the content of a message that Send made.
	Update(ctx context.Context, ref Ref, m Message) error
}

// Handler takes events from adapters. A nil error means the event is durable
// and the adapter may acknowledge it to the platform; with an error the
// platform should be left to deliver it again, or the person be told.
// Handle is quick: it stores the event, the work comes later.
type Handler interface {
	Handle(ctx context.Context, e Event) (Answer, error)
}

// Answer is what the person gets at once, within the time in which the platform
// wants its acknowledgement. Whatever else there is to say comes by Send.
type Answer struct {
	Disposition Disposition
	// Form is opened for the person, in place of any other answer. Only when
	// Event.Opens.
	Form *Form
	// Note is shown to the person alone, such as why a press did nothing. An
	// adapter that cannot do that at once sends it in private.
	Note string
	// Problems says, by field, what is wrong with a submitted form; the form
	// stays open where the platform can do that, else the adapter says it in
	// private.
	Problems map[string]string
	// Private: what will be said about this event is for the person alone. Some
	// platforms must know that when they are answered.
	Private bool
}

// Disposition tells the adapter what becomes of an event.
type Disposition int

const (
	// Ignored: nobody was addressed and nothing will be said.
	Ignored Disposition = iota
	// Accepted: a reply to this event will come.
	Accepted
	// Duplicate: this delivery was handled before.
	Duplicate
)

// ErrOutcomeUnknown: the message may or may not have been posted and the
// platform has no way to find out. It must not be sent again.
var ErrOutcomeUnknown = errors.New("outcome of the post is unknown")

// RetryError: the platform asks to try again later.
type RetryError struct {
	After time.Duration
	Err   error
}

func (e *RetryError) Error() string { return fmt.Sprintf("%v (retry after %s)", e.Err, e.After) }
func (e *RetryError) Unwrap() error { return e.Err }
