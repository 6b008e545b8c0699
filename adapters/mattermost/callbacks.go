package mattermost

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// maxCallback bounds what the server may send in one call.
const maxCallback = 1 << 20

// callbackTime bounds one call. The server waits 30 s by default.
const callbackTime = 10 * time.Second

// Routes implements adapters.Receiver: what the server calls.
//
//	POST /command   slash commands
//	POST /action    buttons and selects
//	POST /dialog    forms that were sent
//	GET  /          says that the way is open, for the examination
func (a *Adapter) Routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /command", a.within(a.command))
	mux.HandleFunc("GET /command", a.within(a.command)) // a command may be set up so
	mux.HandleFunc("POST /action", a.within(a.action))
	mux.HandleFunc("POST /dialog", a.within(a.dialog))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(hereHeader, a.seal.mark("here"))
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// hereHeader proves to the examination that it reached this program.
const hereHeader = "Petrel-Mattermost"

// call is one callback while it is answered.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	handler adapters.Handler
}

// within serves a callback while Run runs.
func (a *Adapter) within(serve func(context.Context, call)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, h, leave, err := a.gate.enter(r.Context())
		if err != nil {
			http.Error(w, "This process of Petrel does not talk to Mattermost; http.public_url must lead to one with the role chat.", http.StatusServiceUnavailable)
			return
		}
		defer leave()
		ctx, cancel := context.WithTimeout(ctx, callbackTime)
		defer cancel()
		r.Body = http.MaxBytesReader(w, r.Body, maxCallback)
		serve(ctx, call{w: w, r: r, handler: h})
	}
}

// answer writes JSON, which the server takes as such only with its type.
func (c call) answer(v any) {
	c.w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(c.w).Encode(v)
}

// decode reads a JSON body; it answers itself when it cannot.
func (c call) decode(v any) bool {
	body, err := io.ReadAll(c.r.Body)
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		http.Error(c.w, "The body cannot be read: "+err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

// command serves slash commands.
func (a *Adapter) command(ctx context.Context, c call) {
	if err := c.r.ParseForm(); err != nil {
		http.Error(c.w, "The form cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	f := c.r.Form
	if !a.knows(c.r, f.Get("token")) {
		a.log.Warn("a slash command with an unknown token was refused", "command", f.Get("command"), "team", f.Get("team_domain"))
		http.Error(c.w, "The token of this command is not among chat.mattermost.command_tokens.", http.StatusUnauthorized)
		return
	}
	now := time.Now()
	e := adapters.Event{
		DeliveryID: "call:" + digest(f.Get("trigger_id"), f.Get("user_id"), f.Get("text")), Kind: adapters.CommandCalled, Adapter: a.name, Time: now,
		User:    a.userOr(ctx, f.Get("user_id"), f.Get("user_name")),
		Channel: a.channelOr(ctx, f.Get("channel_id"), f.Get("channel_name")),
		Text:    f.Get("text"), Command: strings.TrimPrefix(f.Get("command"), "/"),
		Opens: f.Get("trigger_id") != "", Reply: replyHandle(f.Get("response_url"), now),
	}
	if root := f.Get("root_id"); model.IsValidId(root) {
		e.Thread = root
	}
	say := func(text string) {
		answer := model.CommandResponse{SkipSlackParsing: true}
		if text != "" {
			answer.ResponseType, answer.Text = model.CommandResponseTypeEphemeral, text
		}
		c.answer(answer)
	}
	answer, err := c.handler.Handle(ctx, e)
	if err != nil {
		a.log.Error("a slash command could not be taken", "user", e.User.Name, "error", err)
		say(notTakenText)
		return
	}
	say(a.openOrNote(ctx, f.Get("trigger_id"), e, answer))
}

// knows checks the token of a slash command, which comes in the form and, from
// newer servers, in the head, too.
func (a *Adapter) knows(r *http.Request, form string) bool {
	given := []string{form}
	if head, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Token "); ok {
		given = append(given, head)
		if form == "" {
			given = given[1:]
		}
	}
	for _, g := range given {
		known := 0
		for _, t := range a.tokens {
			if t != "" {
				known |= subtle.ConstantTimeCompare([]byte(t), []byte(g))
			}
		}
		if known == 0 {
			return false
		}
	}
	return true
}

// userOr looks a person up; when that fails, what the call says must do.
func (a *Adapter) userOr(ctx context.Context, id, name string) adapters.User {
	u, err := a.user(ctx, id)
	if err != nil {
		a.log.Warn("who called cannot be looked up", "user", name, "error", err)
		return adapters.User{ID: id, Name: name}
	}
	return u
}

// channelOr looks a channel up; one that the bot is not in must be taken as the
// call names it.
func (a *Adapter) channelOr(ctx context.Context, id, name string) adapters.Channel {
	p, err := a.channel(ctx, id)
	if err != nil {
		return a.channelOf(ctx, id, strOr(name, id), "", "")
	}
	return p.Channel
}

// openOrNote does what an answer asks for at once and returns what the person is
// to read.
func (a *Adapter) openOrNote(ctx context.Context, trigger string, e adapters.Event, answer adapters.Answer) string {
	if answer.Form != nil {
		if err := a.openForm(ctx, trigger, e, answer.Form); err != nil {
			a.log.Warn("a form could not be opened", "form", answer.Form.ID, "error", err)
			return "The form could not be opened. Please try again. (" + markup.OneLine(err.Error()) + ")"
		}
	}
	if answer.Note != "" {
		return dialect.Render(answer.Note)
	}
	return ""
}

// action serves buttons and selects.
func (a *Adapter) action(ctx context.Context, c call) {
	var req model.PostActionIntegrationRequest
	if !c.decode(&req) {
		return
	}
	text := func(key string) string { s, _ := req.Context[key].(string); return s }
	id, choice, selected := text("id"), "", req.Context["selected_option"] != nil
	genuine := false
	if selected {
		given := text("selected_option")
		i := max(strings.LastIndexByte(given, '.'), 0)
		choice = given[:i]
		genuine = a.seal.fits(text("mark"), "select", id) && a.seal.fits(strings.TrimPrefix(given[i:], "."), "option", id, choice)
	} else {
		genuine = a.seal.fits(text("mark"), "button", id, text("confirm"))
	}
	if !genuine {
		a.log.Warn("a press with a signature that does not fit was refused", "user", req.UserName, "post", req.PostId)
		http.Error(c.w, "The signature of this button does not fit. It was made with another token.", http.StatusForbidden)
		return
	}
	e := adapters.Event{
		DeliveryID: "press:" + digest(req.TriggerId, req.PostId, id, choice), Kind: adapters.ButtonPressed, Adapter: a.name, Time: time.Now(),
		User: a.userOr(ctx, req.UserId, req.UserName), Channel: a.channelOr(ctx, req.ChannelId, req.ChannelName),
		Message: req.PostId, Thread: a.threadOf(ctx, req.PostId), Button: id, Choice: choice, Opens: req.TriggerId != "",
	}
	say := func(text string) {
		c.answer(model.PostActionIntegrationResponse{EphemeralText: text, SkipSlackParsing: true})
	}
	if confirm := text("confirm"); confirm != "" && !selected {
		if err := a.openConfirm(ctx, req.TriggerId, e, text("label"), confirm); err != nil {
			say("You could not be asked to confirm this, so nothing was done. Please try again. (" + markup.OneLine(err.Error()) + ")")
			return
		}
		say("")
		return
	}
	answer, err := c.handler.Handle(ctx, e)
	if err != nil {
		a.log.Error("a press could not be taken", "user", e.User.Name, "button", id, "error", err)
		say(notTakenText)
		return
	}
	say(a.openOrNote(ctx, req.TriggerId, e, answer))
}

// threadOf returns the thread that a post of ours is in, "" when it is in none or
// cannot be looked up, as an ephemeral one.
func (a *Adapter) threadOf(ctx context.Context, post string) string {
	root, ok := a.roots.get(post)
	if !ok {
		var err error
		if root, err = a.rootOf(ctx, post); err != nil {
			a.log.Debug("the thread of a post is not known", "post", post, "error", err)
		}
	}
	if root == post {
		return ""
	}
	return root
}

// dialog serves forms that were sent, and confirmations.
func (a *Adapter) dialog(ctx context.Context, c call) {
	var req model.SubmitDialogRequest
	if !c.decode(&req) {
		return
	}
	var opened openForm
	// The server does not sign what it sends, and a form's state passes through
	// the person's client: it says who may send it.
	if err := a.seal.unpack(req.State, &opened); err != nil || opened.User != req.UserId {
		a.log.Warn("a form with a state that does not fit was refused", "user", req.UserId, "error", err)
		http.Error(c.w, "The state of this form does not fit. Please open it again.", http.StatusForbidden)
		return
	}
	if req.Cancelled {
		c.answer(model.SubmitDialogResponse{})
		return
	}
	e := adapters.Event{
		Adapter: a.name, Time: time.Now(), User: a.userOr(ctx, req.UserId, ""), Channel: a.channelOr(ctx, opened.Channel, opened.Name),
		Message: opened.Post, Thread: opened.Thread, Reply: opened.Reply,
	}
	if opened.Button != "" {
		e.DeliveryID, e.Kind, e.Button = "press:"+opened.Nonce, adapters.ButtonPressed, opened.Button
	} else {
		tries, _ := a.retries.get(opened.Nonce)
		e.Kind, e.Form, e.Values = adapters.FormSubmitted, opened.Form, opened.values(req.Submission)
		e.DeliveryID = fmt.Sprintf("form:%s:%d:%s", opened.Nonce, tries, digestValues(e.Values))
	}
	answer, err := c.handler.Handle(ctx, e)
	if err != nil {
		a.log.Error("a form could not be taken", "user", e.User.Name, "form", opened.Form, "error", err)
		c.answer(model.SubmitDialogResponse{Error: notTakenText})
		return
	}
	if len(answer.Problems) > 0 {
		tries, _ := a.retries.get(opened.Nonce)
		a.retries.put(opened.Nonce, tries+1)
		c.answer(opened.problems(answer.Problems))
		return
	}
	if answer.Note != "" {
		a.whisper(ctx, e, "note/"+e.DeliveryID, answer.Note)
	}
	c.answer(model.SubmitDialogResponse{})
}
