package mattermost

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
)

// hear makes an event of a post and hands it to the handler.
func (a *Adapter) hear(ctx context.Context, h adapters.Handler, p heardPost) {
	e, ok := a.eventOf(ctx, p)
	if !ok {
		return
	}
	answer, err := a.hand(ctx, h, e)
	switch {
	case ctx.Err() != nil: // stopping; the next start asks for the post again
	case err != nil:
		a.log.Error("a message could not be taken", "post", e.Message, "error", err)
		a.notTaken(ctx, e)
	case answer.Note != "":
		a.whisper(ctx, e, "note/"+e.DeliveryID, answer.Note)
	}
}

// eventOf translates a post.
func (a *Adapter) eventOf(ctx context.Context, p heardPost) (adapters.Event, bool) {
	post := p.post
	e := adapters.Event{
		DeliveryID: post.Id, Kind: adapters.MessagePosted, Adapter: a.name, Time: time.UnixMilli(post.CreateAt),
		Thread: post.RootId, Message: post.Id, Text: post.Message,
	}
	err := patiently(ctx, func() (err error) { e.User, err = a.user(ctx, post.UserId); return err })
	if err != nil {
		if ctx.Err() != nil {
			return e, false
		}
		a.log.Warn("the writer of a post cannot be looked up", "error", err)
		e.User = adapters.User{ID: post.UserId, Name: strings.TrimPrefix(p.sender, "@")}
	}
	if fromProgram(post) {
		e.User.Bot = true // a webhook writes in the name of a person
	}
	err = patiently(ctx, func() error {
		c, err := a.channel(ctx, post.ChannelId)
		e.Channel = c.Channel
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return e, false
		}
		a.log.Warn("the channel of a post cannot be looked up", "error", err)
		e.Channel = adapters.Channel{ID: post.ChannelId, Name: "#" + post.ChannelId}
	}
	if me := a.self.Load(); me != nil {
		e.Text, e.Mentioned = unmention(post.Message, me.Username)
	}
	return e, true
}

// fromProgram reports that no person wrote a post themselves.
func fromProgram(post *model.Post) bool {
	for _, prop := range []string{model.PostPropsFromWebhook, model.PostPropsFromBot, model.PostPropsFromPlugin} {
		if v, _ := post.GetProp(prop).(string); v == "true" {
			return true
		}
	}
	return false
}

// patiently calls f a few times while it is asked to wait.
func patiently(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		var retry *adapters.RetryError
		if err == nil || try == 5 || !errors.As(err, &retry) || !sleep(ctx, min(retry.After, 10*time.Second)) {
			return err
		}
	}
}

var codeText = regexp.MustCompile("(?s)```.*?(?:```|$)|`[^`\n]*`")

// unmention tells whether a text speaks to the bot and takes the mention out: the
// one at the beginning, else all. A mention within code is none.
func unmention(text, name string) (string, bool) {
	mention := regexp.MustCompile(`(?i)@` + regexp.QuoteMeta(name) + `(?:$|[^\w.-]|[.-](?:\W|$))`)
	bare := codeText.ReplaceAllStringFunc(text, func(code string) string { return strings.Repeat(" ", len(code)) })
	n := len("@" + name)
	var rest strings.Builder
	last, found := 0, false
	for i := 0; i < len(bare); {
		m := mention.FindStringIndex(bare[i:])
		if m == nil {
			break
		}
		at := i + m[0]
		i = at + n
		if at > 0 && wordByte(bare[at-1]) {
			continue // an e-mail address
		}
		if !found && strings.TrimSpace(bare[:at]) == "" && strings.TrimSpace(text[:at]) == "" {
			return strings.TrimSpace(strings.TrimLeft(text[at+n:], ":, \t")), true
		}
		rest.WriteString(text[last:at])
		last, found = at+n, true
	}
	if !found {
		return text, false
	}
	rest.WriteString(text[last:])
	return strings.TrimSpace(rest.String()), true
}

func wordByte(b byte) bool {
	return b == '_' || b == '.' || b == '-' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

// handAgain are the pauses between tries to hand an event over. Mattermost
// delivers a post once, so it is kept here meanwhile, and with it what follows
// in its channel.
var handAgain = []time.Duration{200 * time.Millisecond, time.Second, 4 * time.Second}

// hand gives an event to the handler, several times when it must.
func (a *Adapter) hand(ctx context.Context, h adapters.Handler, e adapters.Event) (adapters.Answer, error) {
	for _, pause := range handAgain {
		answer, err := h.Handle(ctx, e)
		if err == nil || ctx.Err() != nil {
			return answer, err
		}
		a.log.Warn("an event was not taken; trying again", "event", e.DeliveryID, "error", err)
		if !sleep(ctx, pause) {
			return answer, err
		}
	}
	return h.Handle(ctx, e)
}

// notTakenText is what a person reads whose words are lost.
const notTakenText = "That could not be taken: the program cannot store it now. Nothing was done. Please try again in a moment."

// notTaken tells the writer of a post that it is lost: always when the bot was
// meant for sure, else once a minute, as it may have been small talk.
func (a *Adapter) notTaken(ctx context.Context, e adapters.Event) {
	if at, ok := a.told.get(e.User.ID); ok && time.Since(at) < time.Minute && !e.Mentioned && !e.Channel.Direct {
		return
	}
	a.told.put(e.User.ID, time.Now())
	a.whisper(ctx, e, "lost/"+e.DeliveryID, notTakenText)
}

// whisper says something to the person behind an event alone.
func (a *Adapter) whisper(ctx context.Context, e adapters.Event, key, text string) {
	m := adapters.Message{
		To:  adapters.Target{Channel: e.Channel.ID, Thread: e.Thread, Private: e.User.ID, Reply: e.Reply},
		Key: key, InReplyTo: e.Message, Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: text}},
	}
	err := patiently(ctx, func() error { _, err := a.Send(ctx, m); return err })
	if err != nil && ctx.Err() == nil {
		a.log.Error("a person could not be told", "user", e.User.Name, "text", text, "error", err)
	}
}
