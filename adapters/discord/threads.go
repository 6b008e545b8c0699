package discord

import (
	"context"
	"strings"
	"time"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// refusedFor is how long threads are not tried in a channel that refused one.
const refusedFor = 10 * time.Minute

// threadName is how much of a line names its thread.
const threadName = 60

// thread finds where a reply under m.To.Thread in a channel goes: a thread, or,
// where the bot may start none, the channel with the message to refer to.
//
// The name of a thread on the wire is the ID of the message it was started from,
// or its own; what is neither is a message within a thread.
func (a *Adapter) thread(ctx context.Context, in string, m adapters.Message) (id, under string, err error) {
	want := m.To.Thread
	if t, known := a.inThread.get(want); known {
		return t, "", nil
	}
	if _, known := a.places.threads.get(want); known {
		return want, "", nil
	}
	if c, known := a.places.channel(in); known && c.thread() {
		return in, want, nil // already within one
	}
	if at, refused := a.noThread.get(in); refused && time.Since(at) < refusedFor {
		return in, want, nil
	}
	var made channel
	body := map[string]any{"name": a.nameThread(want, m), "auto_archive_duration": autoArchiveMinutes}
	err = a.api.do(ctx, "POST", "channels/"+in+"/messages/"+want+"/threads", body, nil, &made)
	switch {
	case err == nil:
		a.places.learn(made)
		return made.ID, "", nil
	case refusedWith(err, codeThreadExists):
		return want, "", nil
	case refusedWith(err, codeMissingAccess, codeMissingPermission, codeWrongChannelKind, codeNotInDirect, codeUnknownChannel):
		a.log.Info("no threads here; replying in the channel", "channel", in, "error", err)
		a.noThread.put(in, time.Now())
		return in, want, nil
	case refusedStatus(err) == 404 || refusedStatus(err) == 400:
		// No message of this channel: a thread that was not started from one?
		if c, err := a.channelByID(ctx, want); err == nil && c.thread() && c.ParentID == in {
			return want, "", nil
		}
		return in, want, nil
	}
	return "", "", again(ctx, err)
}

// nameThread names a thread by what was said, else by what is answered.
func (a *Adapter) nameThread(id string, m adapters.Message) string {
	text, _ := a.texts.get(id)
	for _, b := range m.Blocks {
		if strings.TrimSpace(text) != "" {
			break
		}
		text = b.Text
	}
	if text = markup.Shorten(markup.OneLine(text), threadName); text == "" {
		return "Petrel"
	}
	return text
}
