package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// slashCommand is a command as an administrator sets it up.
type slashCommand struct{ trigger, url, token string }

// hook is the response_url of one call of a command.
type hook struct {
	channel, user, root string
	uses                int
	until               time.Time
}

type trigger struct {
	user  string
	until time.Time
}

type openDialog struct {
	url      string
	dialog   dialog
	channel  string
	problems map[string]string
}

type dialog struct {
	CallbackID  string    `json:"callback_id"`
	Title       string    `json:"title"`
	Intro       string    `json:"introduction_text"`
	Elements    []element `json:"elements"`
	SubmitLabel string    `json:"submit_label"`
	State       string    `json:"state"`
}

type element struct {
	Label     string              `json:"display_name"`
	Name      string              `json:"name"`
	Type      string              `json:"type"`
	Default   string              `json:"default"`
	Help      string              `json:"help_text"`
	Optional  bool                `json:"optional"`
	MinLength int                 `json:"min_length"`
	MaxLength int                 `json:"max_length"`
	Options   []map[string]string `json:"options"`
}

// action is what the server knows of a button or a select.
type action struct {
	ID          string              `json:"id"`
	Type        string              `json:"type"`
	Name        string              `json:"name"`
	Style       string              `json:"style"`
	Options     []map[string]string `json:"options"`
	Integration *struct {
		URL     string         `json:"url"`
		Context map[string]any `json:"context"`
	} `json:"integration"`
}

var (
	actionID = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	styleOK  = regexp.MustCompile(`^(|default|primary|success|good|warning|danger|#[0-9a-fA-F]{6})$`)
	colourOK = regexp.MustCompile(`^(|good|warning|danger|#[0-9a-fA-F]{6})$`)
)

func actionsOf(p *Post) []action {
	var all []action
	for _, at := range attachments(p) {
		body, _ := json.Marshal(at["actions"])
		var some []action
		if json.Unmarshal(body, &some) == nil {
			all = append(all, some...)
		}
	}
	return all
}

// checkActions holds attachments to what the real server checks, and to what
// makes a click fail there.
func checkActions(p *Post) error {
	bad := func(format string, args ...any) error {
		return &apiError{400, "api.post.check_attachments.app_error", fmt.Sprintf(format, args...)}
	}
	for _, at := range attachments(p) {
		if c, ok := at["color"].(string); ok && !colourOK.MatchString(c) {
			return bad("invalid color %q", c)
		}
	}
	for _, a := range actionsOf(p) {
		switch {
		case a.Name == "":
			return bad("action must have a name")
		case !actionID.MatchString(a.ID):
			return bad("action id %q: a click on it would not be found", a.ID)
		case !styleOK.MatchString(a.Style):
			return bad("invalid style %q", a.Style)
		case a.Integration == nil || !strings.HasPrefix(a.Integration.URL, "http"):
			return bad("action must have a valid integration URL")
		case a.Type == "button" && len(a.Options) > 0, a.Type == "select" && len(a.Options) == 0, a.Type != "button" && a.Type != "select":
			return bad("action of type %q with %d options", a.Type, len(a.Options))
		}
		for _, o := range a.Options {
			if o["text"] == "" || o["value"] == "" {
				return bad("an option needs a text and a value")
			}
		}
	}
	return nil
}

func (p *Post) keepActions() {
	p.actions = map[string]action{}
	for _, a := range actionsOf(p) {
		p.actions[a.ID] = a
	}
}

// Buttons are the labels of a post's buttons.
func (p *Post) Buttons() []string {
	var labels []string
	for _, a := range actionsOf(p) {
		if a.Type == "button" {
			labels = append(labels, a.Name)
		}
	}
	return labels
}

// AddCommand sets a slash command up and returns its token.
func (s *Server) AddCommand(trigger, address string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &slashCommand{trigger: trigger, url: address, token: newID()}
	s.commands[trigger] = c
	return c.token
}

// SetCommandURL changes where a slash command leads.
func (s *Server) SetCommandURL(trigger, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands[trigger].url = address
}

// newTrigger needs s.mu.
func (s *Server) newTrigger(user string) string {
	id := newID()
	s.triggers[id] = trigger{user: user, until: time.Now().Add(30 * time.Second)}
	return id
}

// Call uses a slash command as a person.
func (s *Server) Call(ctx context.Context, person, channel, name, text string) error {
	return s.CallInThread(ctx, person, channel, "", name, text)
}

// CallInThread uses a slash command in the thread of a post.
func (s *Server) CallInThread(ctx context.Context, person, channel, root, name, text string) error {
	s.mu.Lock()
	c := s.commands[name]
	if c == nil {
		s.mu.Unlock()
		return fmt.Errorf("there is no command /%s", name)
	}
	u := s.person(person)
	in := s.where(u, channel)
	in.members[u.ID] = true
	id := newID()
	s.hooks[id] = &hook{channel: in.ID, user: u.ID, root: root, uses: 5, until: time.Now().Add(30 * time.Minute)}
	site := s.opt.SiteURL
	if site == "" {
		site = s.URL()
	}
	form := url.Values{
		"channel_id": {in.ID}, "channel_name": {in.Name}, "command": {"/" + name}, "response_url": {site + "/hooks/commands/" + id},
		"team_domain": {s.teamName}, "team_id": {s.team}, "text": {text}, "token": {c.token}, "trigger_id": {s.newTrigger(u.ID)},
		"user_id": {u.ID}, "user_name": {u.Name},
	}
	address, token := c.url, c.token
	s.mu.Unlock()
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Token " + token}, "Accept": {"application/json"}}
	body, kind, err := s.callOut(ctx, address, header, []byte(form.Encode()))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(body, kind, in, u, root)
}

// callOut calls an integration and measures how long it takes to answer.
func (s *Server) callOut(ctx context.Context, address string, header http.Header, body []byte) ([]byte, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header = header
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return nil, "", fmt.Errorf("the integration does not answer: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	s.mu.Lock()
	s.counts.Acks = append(s.counts.Acks, time.Since(began))
	s.mu.Unlock()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the integration answers %d: %s", resp.StatusCode, answer)
	}
	return answer, resp.Header.Get("Content-Type"), err
}

// commandResponse is the answer to a command.
type commandResponse struct {
	Kind      string         `json:"response_type"`
	Text      string         `json:"text"`
	Props     map[string]any `json:"props"`
	SkipSlack bool           `json:"skip_slack_parsing"`
}

// take shows the answer to a command. It needs s.mu.
func (s *Server) take(body []byte, kind string, c *Channel, u *User, root string) error {
	var r commandResponse
	if strings.HasPrefix(kind, "application/json") {
		if err := json.Unmarshal(body, &r); err != nil {
			return fmt.Errorf("the answer is no JSON: %w", err)
		}
	} else {
		r.Text = string(body)
	}
	if r.Text == "" && len(attachments(&Post{Props: r.Props})) == 0 {
		return nil
	}
	if !r.SkipSlack {
		r.Text = strings.NewReplacer("<!channel>", "@channel", "<!here>", "@here", "<!all>", "@all", "<!everyone>", "@all").Replace(r.Text)
	}
	p := &Post{Channel: c.ID, Root: root, Message: r.Text, Props: r.Props}
	if r.Kind == "in_channel" {
		// It appears as the caller's own, marked as a webhook's.
		p.User = u.ID
		if p.Props == nil {
			p.Props = map[string]any{}
		}
		p.Props["from_webhook"] = "true"
		return s.add(p)
	}
	p.User = s.bot.ID
	if err := s.addEphemeral(p, u.ID); err != nil {
		return err
	}
	s.tell(u.ID, r.Text)
	return nil
}

// tell notes what a person was told at once. It needs s.mu.
func (s *Server) tell(user, words string) {
	if words != "" {
		s.notices[user] = append(s.notices[user], words)
		s.touch()
	}
}

func (s *Server) answerHook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, 400, "web.command_webhook.parse.app_error", err.Error())
		return
	}
	s.do(w, 200, func() (any, error) {
		h := s.hooks[chi.URLParam(r, "id")]
		if h == nil || time.Now().After(h.until) {
			return nil, notFound("command webhook")
		}
		if h.uses == 0 {
			return nil, &apiError{400, "web.command_webhook.invalid.app_error", "Invalid webhook."}
		}
		h.uses--
		return map[string]string{"status": "ok"}, s.take(body, r.Header.Get("Content-Type"), s.channel(h.channel), s.user(h.user), h.root)
	})
}

// Press presses the button with a label under a post.
func (s *Server) Press(ctx context.Context, person, post, label string) error {
	return s.act(ctx, person, post, "button", label, "")
}

// Choose chooses an option in a select.
func (s *Server) Choose(ctx context.Context, person, post, label, option string) error {
	return s.act(ctx, person, post, "select", label, option)
}

func (s *Server) act(ctx context.Context, person, post, kind, label, option string) error {
	s.mu.Lock()
	p, u := s.post(post), s.person(person)
	if p == nil || p.Only != "" && p.Only != u.ID {
		s.mu.Unlock()
		return fmt.Errorf("%s sees no post %s", person, post)
	}
	var a action
	for _, one := range p.actions {
		if one.Type == kind && one.Name == label {
			a = one
		}
	}
	if a.ID == "" {
		s.mu.Unlock()
		return fmt.Errorf("there is no %s %q under %s", kind, label, post)
	}
	given := maps.Clone(a.Integration.Context)
	if kind == "select" {
		i := slices.IndexFunc(a.Options, func(o map[string]string) bool { return o["text"] == option })
		if i < 0 {
			s.mu.Unlock()
			return fmt.Errorf("there is no option %q", option)
		}
		given["selected_option"] = a.Options[i]["value"]
	}
	c := s.channel(p.Channel)
	req := map[string]any{
		"user_id": u.ID, "user_name": u.Name, "channel_id": c.ID, "channel_name": c.Name, "team_id": c.Team, "team_domain": s.teamName,
		"post_id": p.ID, "trigger_id": s.newTrigger(u.ID), "type": kind, "data_source": "", "context": given,
	}
	s.mu.Unlock()
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	answer, _, err := s.callOut(ctx, a.Integration.URL, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return err
	}
	var r struct {
		Ephemeral string `json:"ephemeral_text"`
		Update    *Post  `json:"update"`
	}
	if err := json.Unmarshal(answer, &r); err != nil {
		return fmt.Errorf("the answer is no JSON: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Update != nil {
		if err := s.edit(p, &r.Update.Message, r.Update.Props); err != nil {
			return err
		}
	}
	if r.Ephemeral != "" {
		s.tell(u.ID, r.Ephemeral)
		return s.addEphemeral(&Post{User: s.bot.ID, Channel: c.ID, Root: p.Root, Message: r.Ephemeral}, u.ID)
	}
	return nil
}

func (s *Server) openDialog(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Trigger string `json:"trigger_id"`
		URL     string `json:"url"`
		Dialog  dialog `json:"dialog"`
	}
	if !input(w, r, &body) {
		return
	}
	s.do(w, 200, func() (any, error) {
		t, ok := s.triggers[body.Trigger]
		if !ok || time.Now().After(t.until) || s.faults.refuseForms {
			return nil, &apiError{400, "interactive_message.decode_trigger_id.expired", "Trigger ID for interactive dialog is expired."}
		}
		if err := checkDialog(body.Dialog); err != nil || body.URL == "" {
			return nil, &apiError{400, "app.open_interactive_dialog.invalid", fmt.Sprint("Invalid dialog: ", err)}
		}
		s.dialogs[t.user] = &openDialog{url: body.URL, dialog: body.Dialog}
		s.touch()
		return map[string]string{"status": "OK"}, nil
	})
}

// checkDialog holds a dialog to the limits, which count bytes.
func checkDialog(d dialog) error {
	if d.Title == "" || len(d.Title) > 24 {
		return fmt.Errorf("invalid dialog title %q", d.Title)
	}
	names := map[string]bool{}
	for _, e := range d.Elements {
		room := map[string]int{"text": 150, "textarea": 3000, "select": 3000, "bool": 5}[e.Type]
		switch {
		case names[e.Name] || e.Name == "" || len(e.Name) > 300:
			return fmt.Errorf("name %q", e.Name)
		case e.Label == "" || len(e.Label) > 24:
			return fmt.Errorf("display name %q", e.Label)
		case len(e.Help) > 150:
			return fmt.Errorf("help text of %s is too long", e.Name)
		case room == 0 || len(e.Default) > room:
			return fmt.Errorf("type %q with a default of %d bytes", e.Type, len(e.Default))
		case e.MinLength > e.MaxLength:
			return fmt.Errorf("min length %d, max length %d", e.MinLength, e.MaxLength)
		case e.Type == "select" && e.Default != "" && !slices.ContainsFunc(e.Options, func(o map[string]string) bool { return o["value"] == e.Default }):
			return fmt.Errorf("default %q is no option", e.Default)
		}
		names[e.Name] = true
	}
	return nil
}

// Submit fills in the dialog that is open before a person and sends it. The
// dialog closes, unless it is refused. channel is where the person is by then.
func (s *Server) Submit(ctx context.Context, person, channel string, values map[string]string) error {
	s.mu.Lock()
	u := s.person(person)
	d := s.dialogs[u.ID]
	if d == nil {
		s.mu.Unlock()
		return fmt.Errorf("no form is open before %s", person)
	}
	in := s.where(u, channel)
	submission := map[string]any{}
	for _, e := range d.dialog.Elements {
		v, given := values[e.Name]
		switch {
		case !given && e.Default == "":
			submission[e.Name] = nil
		case !given:
			submission[e.Name] = e.Default
		case e.Type == "bool":
			submission[e.Name] = v == "true"
		default:
			submission[e.Name] = v
		}
		if v == "" && !e.Optional && e.Default == "" {
			s.mu.Unlock()
			return fmt.Errorf("%s is required", e.Name)
		}
	}
	s.mu.Unlock()
	body, err := json.Marshal(map[string]any{
		"type": "dialog_submission", "callback_id": d.dialog.CallbackID, "state": d.dialog.State, "user_id": u.ID, "channel_id": in.ID, "team_id": s.team,
		"submission": submission, "cancelled": false,
	})
	if err != nil {
		return err
	}
	answer, _, err := s.callOut(ctx, d.url, http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return err
	}
	var r struct {
		Error  string            `json:"error"`
		Errors map[string]string `json:"errors"`
	}
	if len(answer) > 0 {
		if err := json.Unmarshal(answer, &r); err != nil {
			return fmt.Errorf("the answer is no JSON: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Error == "" && len(r.Errors) == 0 {
		if s.dialogs[u.ID] == d {
			delete(s.dialogs, u.ID)
		}
		s.touch()
		return nil
	}
	d.problems = maps.Clone(r.Errors)
	if d.problems == nil {
		d.problems = map[string]string{}
	}
	if r.Error != "" {
		d.problems[""] = r.Error
	}
	s.touch()
	return nil
}

// Contexts are the contexts of a post's buttons and selects by their labels, as
// only the server knows them; those of selects with the values of their
// "options".
func (s *Server) Contexts(post string) map[string]map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]any{}
	for _, a := range s.post(post).actions {
		c := maps.Clone(a.Integration.Context)
		var values []string
		for _, o := range a.Options {
			values = append(values, o["value"])
		}
		c["options"] = values
		all[a.Name] = c
	}
	return all
}

// DialogState is the state of the dialog that is open before a person.
func (s *Server) DialogState(person string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.dialogs[s.person(person).ID]; d != nil {
		return d.dialog.State
	}
	return ""
}
