package discord

import (
	"context"
	"errors"
	"fmt"
	"time"

	"petrel/adapters"
)

// errGone: an interaction cannot be answered by its token (any more).
var errGone = errors.New("the interaction cannot be answered by its token")

// soon is after how long a request is made again that got no answer.
const soon = time.Second

// Send implements adapters.Adapter. What is posted in a channel carries a nonce
// made from the key, and the first answer to a command its mark: both make one
// message of two sends. A private answer that is not the first has neither, so
// when its outcome is lost that is ErrOutcomeUnknown.
func (a *Adapter) Send(ctx context.Context, m adapters.Message) (adapters.Ref, error) {
	a.rememberQuestions(m)
	h, given := parseHandle(m.To.Reply)
	if given && h.alive() {
		ref, err := a.byToken(ctx, h, m)
		if !errors.Is(err, errGone) {
			return ref, err
		}
	}
	if m.To.Private != "" {
		return a.sendDirect(ctx, m)
	}
	if given && h.own && m.Mention == "" {
		m.Mention = h.user // the message does not stand under the command
	}
	return a.post(ctx, m)
}

// byToken answers an interaction, where that is better than a plain post.
func (a *Adapter) byToken(ctx context.Context, h handle, m adapters.Message) (adapters.Ref, error) {
	if p, ours := a.pending.get(h.interaction); ours {
		select {
		case <-p.done:
		case <-ctx.Done():
			return adapters.Ref{}, ctx.Err()
		}
	}
	secret := m.To.Private != ""
	switch {
	case secret && m.To.Private != h.user:
		return adapters.Ref{}, errGone // only who acted can be answered privately
	case h.own:
		return a.answer(ctx, h, m, secret)
	case secret:
		return a.followUp(ctx, h, m, true)
	}
	return adapters.Ref{}, errGone
}

// answer answers a command: the first message fills the announced reply, later
// ones stand under it. Which one is first is asked of Discord, for another
// process may have answered; the mark of the key tells whether it was this one.
func (a *Adapter) answer(ctx context.Context, h handle, m adapters.Message, secret bool) (adapters.Ref, error) {
	var first message
	switch err := a.api.get(ctx, h.hook()+"/messages/@original", &first); {
	case notYet(err, h):
		return adapters.Ref{}, &adapters.RetryError{After: 250 * time.Millisecond, Err: errors.New("the command is being acknowledged")}
	case refusedWith(err, codeUnknownMessage) && secret:
		return a.followUp(ctx, h, m, true) // its public announcement was taken away
	case tokenDead(err):
		return adapters.Ref{}, errGone
	case err != nil:
		return adapters.Ref{}, again(ctx, err)
	}
	hidden := first.Flags&flagEphemeral != 0
	waiting := first.Flags&flagLoading != 0
	switch {
	case hidden == secret && (waiting || m.Key != "" && a.filledBy(h, first) == keyAddress(m.Key)):
		return a.fillIn(ctx, h, m)
	case secret && !hidden && waiting:
		// It was announced to everybody: that is taken back.
		if err := a.api.do(ctx, "DELETE", h.hook()+"/messages/@original", nil, nil, nil); err != nil && !tokenDead(err) {
			return adapters.Ref{}, again(ctx, err)
		}
		return a.followUp(ctx, h, m, true)
	case secret:
		return a.followUp(ctx, h, m, true)
	case hidden && waiting:
		body := map[string]any{"content": "The answer is in the channel."}
		if err := a.api.do(ctx, "PATCH", h.hook()+"/messages/@original", body, nil, nil); err != nil {
			a.log.Warn("an announced answer cannot be taken back", "interaction", h.interaction, "error", err)
		}
		return adapters.Ref{}, errGone
	case hidden:
		return adapters.Ref{}, errGone
	}
	ref, err := a.create(ctx, first.ChannelID, first.ID, m)
	if refusedWith(err, codeMissingAccess, codeMissingPermission, codeUnknownChannel) {
		return a.followUp(ctx, h, m, false) // where the bot itself may not write
	}
	return ref, err
}

// filledBy is the mark of the key that filled in the announced reply: as it is
// on the message, else as it is remembered here.
func (a *Adapter) filledBy(h handle, first message) string {
	if len(first.Embeds) > 0 && first.Embeds[0].URL != "" {
		return first.Embeds[0].URL
	}
	mark, _ := a.filled.get(h.interaction)
	return mark
}

// fillIn writes the first answer into the announced reply.
func (a *Adapter) fillIn(ctx context.Context, h handle, m adapters.Message) (adapters.Ref, error) {
	if m.Key != "" {
		a.filled.put(h.interaction, keyAddress(m.Key))
	}
	var made message
	err := a.write(ctx, "PATCH", h.hook()+"/messages/@original", m, nil, &made)
	if tokenDead(err) {
		return adapters.Ref{}, errGone
	}
	return adapters.Ref{Channel: made.ChannelID, Message: made.ID}, again(ctx, err)
}

// followUp posts by the token. Discord cannot tell such posts apart, so a lost
// outcome stays unknown.
func (a *Adapter) followUp(ctx context.Context, h handle, m adapters.Message, secret bool) (adapters.Ref, error) {
	more := map[string]any{}
	if secret {
		more["flags"] = flagEphemeral
	}
	var made message
	err := a.write(ctx, "POST", h.hook()+"?wait=true", m, more, &made)
	var lost *lostError
	switch {
	case notYet(err, h):
		return adapters.Ref{}, &adapters.RetryError{After: 250 * time.Millisecond, Err: errors.New("the interaction is being acknowledged")}
	case tokenDead(err):
		return adapters.Ref{}, errGone
	case errors.As(err, &lost):
		return adapters.Ref{}, fmt.Errorf("%w: %w", adapters.ErrOutcomeUnknown, lost)
	}
	return adapters.Ref{Channel: made.ChannelID, Message: made.ID}, err
}

// tokenDead reports whether a token is not taken (any more).
func tokenDead(err error) bool {
	return refusedWith(err, codeUnknownWebhook, codeUnknownInteraction, codeTokenRanOut, codeUnknownMessage) ||
		err != nil && refusedStatus(err) == 401
}

// notYet reports whether a token is not taken because the interaction is not
// acknowledged so far.
func notYet(err error, h handle) bool {
	return refusedStatus(err) == 404 && tokenDead(err) && time.Since(madeAt(h.interaction)) < ackLimit
}

// again turns the error of a request that may safely be made twice into the wish
// to do so.
func again(ctx context.Context, err error) error {
	var lost *lostError
	if errors.As(err, &lost) && ctx.Err() == nil {
		return &adapters.RetryError{After: soon, Err: lost}
	}
	return err
}

// sendDirect says something privately that cannot be said under an interaction:
// in the direct conversation, with the channel that it is about.
func (a *Adapter) sendDirect(ctx context.Context, m adapters.Message) (adapters.Ref, error) {
	id, err := a.directWith(ctx, m.To.Private)
	if err != nil {
		return adapters.Ref{}, fmt.Errorf("a private message to %s: %w", m.To.Private, again(ctx, err))
	}
	public := m
	m.Mention = ""
	ref, err := a.create(ctx, id, "", m)
	if !refusedWith(err, codeCannotDirect) || public.To.Channel == "" {
		return ref, err
	}
	// The secret is kept, but nobody is left waiting for it.
	return a.post(ctx, adapters.Message{
		To: adapters.Target{Channel: public.To.Channel, Thread: public.To.Thread}, Key: public.Key + "/unreachable", Mention: public.To.Private, State: public.State,
		Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: "I have an answer for you alone, but Discord does not let me write to you directly. Allow direct messages from this server, and ask again."}},
	})
}

// post says something in a channel or a thread of it.
func (a *Adapter) post(ctx context.Context, m adapters.Message) (adapters.Ref, error) {
	id, err := a.resolve(ctx, m.To.Channel)
	if err != nil {
		return adapters.Ref{}, again(ctx, err)
	}
	under := ""
	if m.To.Thread != "" {
		if id, under, err = a.thread(ctx, id, m); err != nil {
			return adapters.Ref{}, err
		}
	}
	ref, err := a.create(ctx, id, under, m)
	if m.To.Thread != "" && under == "" && refusedWith(err, codeArchived, codeLocked, codeUnknownChannel) {
		// The thread is locked or gone: the answer goes where everybody can find it.
		a.log.Info("a thread takes no messages; answering in its channel", "thread", id, "error", err)
		a.places.forget(id)
		if id, err = a.resolve(ctx, m.To.Channel); err == nil {
			ref, err = a.create(ctx, id, m.To.Thread, m)
		}
	}
	return ref, err
}

// create posts a message in a channel, as a reply to another when under says so.
func (a *Adapter) create(ctx context.Context, id, under string, m adapters.Message) (adapters.Ref, error) {
	more := map[string]any{}
	if m.Key != "" {
		more["nonce"], more["enforce_nonce"] = nonce(m.Key), true
	}
	if under != "" {
		more["message_reference"] = map[string]any{"message_id": under, "fail_if_not_exists": false}
	}
	var made message
	err := a.write(ctx, "POST", "channels/"+id+"/messages", m, more, &made)
	if under != "" && refusedWith(err, codeNoHistory) {
		delete(more, "message_reference") // replies need the permission to read what was said
		err = a.write(ctx, "POST", "channels/"+id+"/messages", m, more, &made)
	}
	var lost *lostError
	if m.Key == "" && errors.As(err, &lost) {
		return adapters.Ref{}, fmt.Errorf("%w: %w", adapters.ErrOutcomeUnknown, lost)
	}
	if err != nil {
		return adapters.Ref{}, again(ctx, err)
	}
	return adapters.Ref{Channel: made.ChannelID, Message: made.ID}, nil
}

// write renders a message and sends it. What Discord does not let through is left
// out, for an answer without it is better than none: extras that it refuses, and
// embeds and files where the bot may not send them.
func (a *Adapter) write(ctx context.Context, method, path string, m adapters.Message, more map[string]any, made *message) error {
	err := a.deliver(ctx, method, path, render(m), more, made)
	if len(m.Extra["discord"]) > 0 && refusedStatus(err) == 400 {
		a.log.Warn("Discord refuses extra.discord; sending without it", "key", m.Key, "error", err)
		m.Extra = nil
		err = a.deliver(ctx, method, path, render(m), more, made)
	}
	if refusedWith(err, codeMissingPermission) && method == "POST" {
		a.log.Warn("the bot may not embed or attach here; sending text alone", "key", m.Key, "error", err)
		return a.deliver(ctx, method, path, renderBare(m), more, made)
	}
	return err
}

func (a *Adapter) deliver(ctx context.Context, method, path string, r rendered, more map[string]any, made *message) error {
	for k, v := range more {
		if old, ok := r.payload[k].(float64); ok && k == "flags" {
			v = int(old) | v.(int)
		}
		r.payload[k] = v
	}
	if method == "PATCH" && len(r.files) > 0 {
		// These are all the files that the message has, also when it is filled in
		// for the second time.
		list := make([]any, len(r.files))
		for i, f := range r.files {
			list[i] = map[string]any{"id": i, "filename": f.Name}
		}
		r.payload["attachments"] = list
	}
	return a.api.do(ctx, method, path, r.payload, r.files, made)
}

// Update implements adapters.Adapter. A private answer can be changed for 15
// minutes; afterwards nothing happens.
func (a *Adapter) Update(ctx context.Context, ref adapters.Ref, m adapters.Message) error {
	m.Files = nil
	a.rememberQuestions(m)
	h, given := parseHandle(m.To.Reply)
	byToken := h.hook() + "/messages/" + ref.Message
	if m.To.Private != "" && given && m.To.Private == h.user {
		if h.alive() {
			if err := a.change(ctx, byToken, m); !tokenDead(err) {
				return again(ctx, err)
			}
		}
		if direct, err := a.directWith(ctx, m.To.Private); err == nil && direct != ref.Channel {
			a.log.Debug("a private answer is too old to be changed", "message", ref.Message)
			return nil
		}
	}
	if !isID(ref.Channel) || !isID(ref.Message) {
		return fmt.Errorf("there is no message %q in channel %q on Discord", ref.Message, ref.Channel)
	}
	path := "channels/" + ref.Channel + "/messages/" + ref.Message
	err := a.change(ctx, path, m)
	if refusedWith(err, codeArchived) {
		if err = a.api.do(ctx, "PATCH", "channels/"+ref.Channel, map[string]any{"archived": false}, nil, nil); err == nil {
			err = a.change(ctx, path, m)
		}
	}
	if refusedWith(err, codeMissingAccess, codeMissingPermission, codeNotOurs) && given && h.alive() {
		err = a.change(ctx, byToken, m)
	}
	return again(ctx, err)
}

// change edits. The text that did not fit is not uploaded again with every edit.
func (a *Adapter) change(ctx context.Context, path string, m adapters.Message) error {
	r := render(m)
	err := a.api.do(ctx, "PATCH", path, r.payload, nil, nil)
	if len(m.Extra["discord"]) > 0 && refusedStatus(err) == 400 {
		m.Extra = nil
		return a.api.do(ctx, "PATCH", path, render(m).payload, nil, nil)
	}
	return err
}
