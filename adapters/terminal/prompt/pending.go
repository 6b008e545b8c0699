package prompt

import (
	"time"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

// pending is what a line on a pipe waits for: the answer of the room, and if the
// line was accepted, the last word on it. A nil pending waits for nothing.
type pending struct {
	delivery string
	local    bool   // a request to the room alone, which ends with its answer
	press    bool   // of a button of the message id, or a form that one opened
	id       string // of the message said or pressed
	wasFinal bool   // the pressed message was a last word already
	root     string // what the pressed message answers
	accepted bool
	finals   []terminal.Entry // last words seen since it was asked
	timer    *time.Timer
}

func newPending(r terminal.Request, timeout time.Duration) *pending {
	return &pending{
		delivery: r.Delivery,
		local:    r.Do != terminal.DoSay && r.Do != terminal.DoCall && r.Do != terminal.DoPress && r.Do != terminal.DoSubmit,
		press:    r.Do == terminal.DoPress || r.Do == terminal.DoSubmit,
		id:       r.ID,
		timer:    time.NewTimer(timeout),
	}
}

func (p *pending) is(delivery string) bool { return p != nil && p.delivery == delivery }

func (p *pending) expired() <-chan time.Time {
	if p == nil {
		return nil
	}
	return p.timer.C
}

// observe takes in an entry that is new or changed.
func (p *pending) observe(e terminal.Entry, delivery string) {
	if p == nil {
		return
	}
	if p.is(delivery) {
		p.id = e.ID
	}
	if e.Message != nil && e.Message.State.Final() {
		p.finals = append(p.finals, e)
	}
}

// settled returns the last word, once there is one: a message in reply to the
// line, to the pressed message or to what that one answers, or the pressed
// message itself when it was not final before.
func (p *pending) settled() (adapters.State, bool) {
	if p == nil || !p.accepted {
		return "", false
	}
	for _, e := range p.finals {
		answers := e.Message.InReplyTo == p.id || p.press && p.root != "" && e.Message.InReplyTo == p.root
		if answers && e.ID != p.id || p.press && !p.wasFinal && e.ID == p.id {
			return e.Message.State, true
		}
	}
	return "", false
}

// conclude ends the wait when the last word was said.
func (c *conversation) conclude() {
	if state, ok := c.pending.settled(); ok {
		c.finish(state)
	}
}

// answered ends the wait for an answer of the room itself.
func (c *conversation) answered(delivery string) {
	if c.pending.is(delivery) {
		c.pending.timer.Stop()
		c.pending = nil
	}
}

// finish counts how a line ended, and ends the wait for it.
func (c *conversation) finish(state adapters.State) {
	if c.pending != nil {
		c.pending.timer.Stop()
		c.pending = nil
	}
	switch state {
	case adapters.StateSucceeded:
		c.outcome.Succeeded++
	case adapters.StateFailed:
		c.outcome.Failed++
	default:
		c.outcome.NotUnderstood++
	}
}
