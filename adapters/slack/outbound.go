package slack

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/slack-go/slack"

	"petrel/adapters"
)

// outbox remembers what was sent under which key: Slack itself has no way to
// make one message of two posts.
type outbox struct {
	known *memory[*sending]
}

// sending is one message on its way.
type sending struct {
	mu      sync.Mutex
	running chan struct{} // closed when the present try is over; nil between tries
	over    bool          // ref and err are the last word
	ref     adapters.Ref
	err     error

	left atomic.Bool // a post left this machine and is not answered
	// Of the try that runs, and of the next.
	posted bool // ref is where the message is
	files  int  // how many are there
}

// Send implements adapters.Adapter. A post goes on when ctx ends, because it may
// have happened already: sent again with its key it is found. Until then its
// outcome is unknown.
func (a *Adapter) Send(ctx context.Context, m adapters.Message) (adapters.Ref, error) {
	s := &sending{}
	if m.Key != "" {
		s = a.sent.known.change(m.Key, func(old *sending, known bool) *sending {
			if known {
				return old
			}
			return s
		})
	}
	s.mu.Lock()
	if s.over {
		defer s.mu.Unlock()
		return s.ref, s.err
	}
	if s.running == nil {
		s.running = make(chan struct{})
		go a.try(ctx, s, m, s.running)
	}
	running := s.running
	s.mu.Unlock()
	select {
	case <-running:
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ref, s.err
	case <-ctx.Done():
		if s.left.Load() {
			return adapters.Ref{}, fmt.Errorf("%w: %w", adapters.ErrOutcomeUnknown, ctx.Err())
		}
		return adapters.Ref{}, ctx.Err()
	}
}

// try sends a message. When ctx ends before anything left, it gives up.
func (a *Adapter) try(ctx context.Context, s *sending, m adapters.Message, running chan struct{}) {
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timing.Call)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		if !s.left.Load() {
			cancel()
		}
	})
	defer stop()
	ref, err := a.transmit(own, s, m)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ref, s.err, s.running = ref, err, nil
	s.over = err == nil || errors.Is(err, adapters.ErrOutcomeUnknown)
	s.left.Store(false)
	close(running)
}

// transmit posts a message and then its files; what was done by an earlier try is
// not done again.
func (a *Adapter) transmit(ctx context.Context, s *sending, m adapters.Message) (adapters.Ref, error) {
	r, err := renderExtra(m)
	if err != nil {
		a.log.Warn("a message goes out without what its author wanted of Slack", "adapter", a.name, "key", m.Key, "error", err)
	}
	if !s.posted {
		ref, err := a.post(ctx, s, m, r)
		if slices.Contains(malformed, code(err)) && len(m.Extra["slack"]) > 0 {
			m = withoutExtra(m, err)
			r = render(m)
			ref, err = a.post(ctx, s, m, r)
		}
		if err != nil {
			return ref, err
		}
		s.ref, s.posted = ref, true
	}
	return s.ref, a.sendFiles(ctx, s, m, r)
}

// malformed are Slack's words for content that it does not take.
var malformed = []string{"invalid_blocks", "invalid_blocks_format", "invalid_attachments", "invalid_arguments", "msg_too_long", "msg_blocks_too_long", "attachment_payload_limit_exceeded", "no_text", "too_many_attachments"}

// withoutExtra is a message that says why it is plainer than its author wanted.
func withoutExtra(m adapters.Message, cause error) adapters.Message {
	m.Extra = nil
	m.Blocks = append(slices.Clone(m.Blocks), adapters.Block{Kind: adapters.Paragraph, Text: "(Slack does not take what extra.slack asks for: " + explain(cause).Error() + ")"})
	return m
}

// post sends the message itself to where it belongs.
func (a *Adapter) post(ctx context.Context, s *sending, m adapters.Message, r rendered) (adapters.Ref, error) {
	channel, err := a.address(ctx, m.To.Channel)
	if err != nil {
		return adapters.Ref{}, err
	}
	// In a direct conversation nobody else reads.
	if m.To.Private != "" && !strings.HasPrefix(channel, "D") {
		return a.postPrivate(ctx, s, channel, m, r)
	}
	ref, err := a.postTo(ctx, s, channel, a.thread(channel, m, r), r)
	if code(err) == "not_in_channel" {
		// A public channel can be joined; a private one cannot.
		if _, _, _, joined := a.api.JoinConversationContext(ctx, channel); joined == nil {
			return a.postTo(ctx, s, channel, a.thread(channel, m, r), r)
		}
	}
	h := unpack(m.To.Reply)
	if h.User == "" || !unreachable(err) {
		return ref, err
	}
	// A command can be called where the app is not.
	if a.spend(h, 0) {
		if err := a.respond(ctx, s, h, "", slack.ResponseTypeInChannel, false, r); !errors.Is(err, errSpent) {
			return replyRef(channel, h, m), err
		}
	}
	return a.postDirect(ctx, s, h.User, m, r)
}

// unreachable: the app cannot say anything in the channel.
func unreachable(err error) bool {
	return slices.Contains([]string{"not_in_channel", "channel_not_found", "user_not_in_channel", "restricted_action", "is_archived"}, code(err))
}

// address returns what Slack takes as a channel: an ID, or a name that it
// resolves itself.
func (a *Adapter) address(ctx context.Context, channel string) (string, error) {
	name, named := strings.CutPrefix(channel, "#")
	if !named || strings.ContainsAny(name, " \t\n!@,") || name == "" {
		return a.resolve(ctx, channel)
	}
	if c, ok := a.channels.get(channel); ok {
		return c.ID, nil
	}
	return channel, nil
}

// thread returns the message under which to post. Slack wants the first message
// of a thread, never a reply.
func (a *Adapter) thread(channel string, m adapters.Message, r rendered) string {
	thread := m.To.Thread
	if r.thread != "" && thread == "" {
		thread = r.thread
	}
	if root, ok := a.roots.get(channel + "/" + thread); ok {
		return root
	}
	return thread
}

func (r rendered) all(more ...slack.MsgOption) []slack.MsgOption {
	o := append([]slack.MsgOption{slack.MsgOptionText(r.text, false)}, r.options...)
	if len(r.blocks) > 0 {
		o = append(o, slack.MsgOptionBlocks(r.blocks...))
	}
	if len(r.attachments) > 0 {
		o = append(o, slack.MsgOptionAttachments(r.attachments...))
	}
	return append(o, more...)
}

// postTo posts to a channel.
func (a *Adapter) postTo(ctx context.Context, s *sending, channel, thread string, r rendered) (adapters.Ref, error) {
	if err := a.pace.post(channel); err != nil {
		return adapters.Ref{}, err
	}
	options := r.all()
	if thread != "" {
		options = append(options, slack.MsgOptionTS(thread))
	}
	c := &call{method: "chat.postMessage", left: &s.left}
	id, ts, err := a.api.PostMessageContext(c.context(ctx), channel, options...)
	if err = c.judge(err); err != nil {
		a.pace.heed("post "+channel, err)
		return adapters.Ref{}, err
	}
	s.left.Store(false)
	if strings.HasPrefix(channel, "#") {
		a.channels.put(adapters.Channel{ID: id, Name: channel}, channel)
	}
	if thread != "" {
		a.roots.put(id+"/"+ts, thread)
	}
	return adapters.Ref{Channel: id, Message: ts}, nil
}

// postPrivate shows a message to one person in a channel.
func (a *Adapter) postPrivate(ctx context.Context, s *sending, channel string, m adapters.Message, r rendered) (adapters.Ref, error) {
	keep := 0
	if m.State == adapters.StateWorking {
		keep = 1 // for the result
	}
	if h := unpack(m.To.Reply); h.User == m.To.Private && a.spend(h, keep) {
		if err := a.respond(ctx, s, h, a.thread(channel, m, r), slack.ResponseTypeEphemeral, false, r); !errors.Is(err, errSpent) {
			return replyRef(channel, h, m), err
		}
	}
	if err := a.pace.post(channel); err != nil {
		return adapters.Ref{}, err
	}
	options := r.all()
	if thread := a.thread(channel, m, r); thread != "" {
		options = append(options, slack.MsgOptionTS(thread))
	}
	c := &call{method: "chat.postEphemeral", left: &s.left}
	ts, err := a.api.PostEphemeralContext(c.context(ctx), channel, m.To.Private, options...)
	err = c.judge(err)
	switch {
	case unreachable(err):
		return a.postDirect(ctx, s, m.To.Private, m, r)
	case err != nil:
		a.pace.heed("post "+channel, err)
		return adapters.Ref{}, err
	}
	return adapters.Ref{Channel: channel, Message: ts}, nil
}

// postDirect is the last way to a person.
func (a *Adapter) postDirect(ctx context.Context, s *sending, person string, m adapters.Message, r rendered) (adapters.Ref, error) {
	dm, err := a.direct(ctx, person)
	if err != nil {
		return adapters.Ref{}, err
	}
	return a.postTo(ctx, s, dm, "", r)
}

// errSpent: a response_url takes nothing any more.
var errSpent = errors.New("the response_url is spent")

// respond uses a response_url. responseType says who sees what is new; with
// replace the message that the handle stands for is changed.
func (a *Adapter) respond(ctx context.Context, s *sending, h handle, thread, responseType string, replace bool, r rendered) error {
	options := r.all(slack.MsgOptionResponseURL(h.URL, responseType))
	if thread != "" {
		options = append(options, slack.MsgOptionTS(thread))
	}
	c := &call{method: "response_url", left: &s.left, again: replace}
	if replace {
		options = append(options, slack.MsgOptionReplaceOriginal(h.URL))
	}
	_, _, _, err := a.api.SendMessageContext(c.context(ctx), "", options...)
	var status slack.StatusCodeError
	if errors.As(err, &status) && status.Code >= 400 && status.Code < 500 && status.Code != 429 ||
		slices.Contains([]string{"used_url", "expired_url", "no_text"}, code(err)) {
		a.exhaust(h)
		return errSpent
	}
	return c.judge(err)
}

// replyPrefix marks references to messages whose ID Slack does not tell.
const replyPrefix = "reply:"

func replyRef(channel string, h handle, m adapters.Message) adapters.Ref {
	sum := fnv.New64a()
	sum.Write([]byte(h.URL + "\x00" + m.Key))
	return adapters.Ref{Channel: channel, Message: fmt.Sprintf("%s%x", replyPrefix, sum.Sum64())}
}

// Update implements adapters.Adapter.
func (a *Adapter) Update(ctx context.Context, ref adapters.Ref, m adapters.Message) error {
	ctx, cancel := context.WithTimeout(ctx, a.timing.Call)
	defer cancel()
	r, err := renderExtra(m)
	if err != nil {
		a.log.Warn("a message is changed without what its author wanted of Slack", "adapter", a.name, "key", m.Key, "error", err)
	}
	private := m.To.Private != "" && !strings.HasPrefix(ref.Channel, "D")
	if private || strings.HasPrefix(ref.Message, replyPrefix) {
		return a.updateReply(ctx, ref, m, r)
	}
	if err := a.pace.edit(); err != nil {
		return err
	}
	err = a.edit(ctx, ref, r)
	if slices.Contains(malformed, code(err)) && len(m.Extra["slack"]) > 0 {
		err = a.edit(ctx, ref, render(withoutExtra(m, err)))
	}
	a.pace.heed("edit", err)
	return err
}

// edit changes a message. Slack keeps blocks and attachments that are not
// replaced, so both are always sent.
func (a *Adapter) edit(ctx context.Context, ref adapters.Ref, r rendered) error {
	c := &call{method: "chat.update", again: true}
	options := []slack.MsgOption{slack.MsgOptionText(r.text, false), slack.MsgOptionBlocks(r.blocks...)}
	attachments := r.attachments
	if attachments == nil {
		attachments = []slack.Attachment{}
	}
	_, _, _, err := a.api.UpdateMessageContext(c.context(ctx), ref.Channel, ref.Message, append(options, slack.MsgOptionAttachments(attachments...))...)
	return c.judge(err)
}

// updateReply changes a message that only a response_url can change. Without one
// that still works, what is the last word is said anew; of work that goes on the
// last word is waited for.
func (a *Adapter) updateReply(ctx context.Context, ref adapters.Ref, m adapters.Message, r rendered) error {
	h := unpack(m.To.Reply)
	ours := h.From == fromCommand && strings.HasPrefix(ref.Message, replyPrefix) || h.From == fromEphemeral && h.Message == ref.Message
	keep := 0
	if m.State == adapters.StateWorking {
		keep = 2 // for the last edit and the result
	}
	s := &sending{}
	if ours && a.spend(h, keep) {
		if err := a.respond(ctx, s, h, "", slack.ResponseTypeEphemeral, true, r); !errors.Is(err, errSpent) {
			return err
		}
	}
	if m.State == adapters.StateWorking {
		return nil
	}
	m.Key = ""
	_, err := a.Send(ctx, m)
	return err
}
