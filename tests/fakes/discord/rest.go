package discord

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is a request to the API.
type call struct {
	r     *http.Request
	parts []string // of the path, behind the version
	body  []byte   // JSON
	files map[string]string
}

func (c *call) into(v any) error {
	if err := json.Unmarshal(c.body, v); err != nil {
		return &problem{Status: 400, Code: 50109, Message: "The request body contains invalid JSON."}
	}
	return nil
}

// routes is everything that the fake serves.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/gw/", s.serveGateway)
	mux.HandleFunc("/gw", s.serveGateway)
	mux.HandleFunc("/api/", s.serveAPI)
	return mux
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 30<<20))
	if err != nil {
		return
	}
	slow, limited, lose := s.trouble(r)
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-r.Context().Done():
			return
		}
	}
	if limited == 0 {
		limited = s.spend(r, w.Header())
	}
	if limited > 0 {
		s.mu.Lock()
		s.refused++
		s.mu.Unlock()
		after := strconv.FormatFloat(limited.Seconds(), 'f', 3, 64)
		w.Header().Set("Retry-After", after)
		w.Header().Set("X-RateLimit-Scope", "user")
		reply(w, http.StatusTooManyRequests, map[string]any{"message": "You are being rate limited.", "retry_after": limited.Seconds(), "global": false})
		return
	}
	c, err := parse(r, body)
	var answer any
	if err == nil {
		answer, err = s.answer(c)
	}
	if lose {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close()
		}
		return
	}
	var p *problem
	switch {
	case errors.As(err, &p):
		reply(w, p.Status, p)
	case err != nil:
		reply(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
	case answer == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		reply(w, http.StatusOK, answer)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Who asked may be gone.
	_ = json.NewEncoder(w).Encode(body)
}

// parse reads the path, and JSON and files out of the body.
func parse(r *http.Request, body []byte) (*call, error) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/")
	version, path, _ := strings.Cut(path, "/")
	if version != "v9" && version != "v10" {
		return nil, errNoRoute
	}
	c := &call{r: r, body: body, files: map[string]string{}}
	for _, p := range strings.Split(strings.Trim(path, "/"), "/") {
		plain, err := url.PathUnescape(p)
		if err != nil {
			return nil, errNoRoute
		}
		c.parts = append(c.parts, plain)
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		if len(body) > 0 && kind != "application/json" {
			return nil, &problem{Status: 400, Code: 50035, Message: "Content-Type is not application/json"}
		}
		return c, nil
	}
	form, err := multipart.NewReader(strings.NewReader(string(body)), params["boundary"]).ReadForm(30 << 20)
	if err != nil {
		return nil, &problem{Status: 400, Code: 50035, Message: "unreadable form: " + err.Error()}
	}
	c.body = []byte("{}")
	if v := form.Value["payload_json"]; len(v) > 0 {
		c.body = []byte(v[0])
	}
	for _, headers := range form.File {
		for _, h := range headers {
			f, err := h.Open()
			if err != nil {
				return nil, err
			}
			content, err := io.ReadAll(f)
			f.Close()
			if err != nil {
				return nil, err
			}
			if h.Filename == "" && strings.HasPrefix(h.Header.Get("Content-Type"), "application/json") {
				c.body = content
				continue
			}
			if len(content) > 10<<20 {
				return nil, &problem{Status: 413, Code: 40005, Message: "Request entity too large"}
			}
			c.files[h.Filename] = string(content)
		}
	}
	return c, nil
}

// answer needs no lock. It finds the route: interactions and webhooks carry
// their authority in the path, everything else needs the token.
func (s *Server) answer(c *call) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.touch()
	p, method := c.parts, c.r.Method
	switch p[0] {
	case "interactions":
		if len(p) == 4 && method == "POST" && p[3] == "callback" {
			return nil, s.callback(c, p[1], p[2])
		}
		return nil, errNoRoute
	case "webhooks":
		return s.webhook(c)
	}
	if s.faults.revoked || c.r.Header.Get("Authorization") != "Bot "+s.token {
		return nil, errUnauthorized
	}
	pattern := method + " " + pattern(p)
	switch pattern {
	case "GET gateway":
		return map[string]any{"url": s.gatewayURL()}, nil
	case "GET gateway/bot":
		return map[string]any{"url": s.gatewayURL(), "shards": 1, "session_start_limit": map[string]any{
			"total": 1000, "remaining": s.budget, "reset_after": 3_600_000, "max_concurrency": 1,
		}}, nil
	case "GET users/@me":
		return s.bot, nil
	case "GET users/ID":
		if u := s.users[p[1]]; u != nil {
			return u, nil
		}
		return nil, errUnknownUser
	case "GET users/@me/guilds":
		return []any{map[string]any{"id": s.guild, "name": "Test Guild", "permissions": strconv.FormatUint(s.may, 10)}}, nil
	case "POST users/@me/channels":
		return s.openDirect(c)
	case "GET applications/@me", "GET oauth2/applications/@me":
		flags := 0
		if s.granted {
			flags = 1 << 19
		}
		return map[string]any{"id": s.app, "name": "petrel", "flags": flags, "bot": s.bot}, nil
	}
	switch p[0] {
	case "applications":
		return s.serveCommands(c)
	case "guilds":
		return s.serveGuild(c, pattern)
	case "channels":
		return s.serveChannel(c, pattern)
	}
	return nil, errNoRoute
}

// pattern replaces the IDs of a path by ID.
func pattern(parts []string) string {
	out := slices.Clone(parts)
	for i, p := range out {
		if n, err := strconv.ParseUint(p, 10, 64); err == nil && n > 1<<22 {
			out[i] = "ID"
		}
	}
	return strings.Join(out, "/")
}

func (s *Server) openDirect(c *call) (any, error) {
	var in struct {
		Recipient string `json:"recipient_id"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if s.users[in.Recipient] == nil {
		return nil, errUnknownUser
	}
	return s.directWith(in.Recipient), nil
}

func (s *Server) serveGuild(c *call, pattern string) (any, error) {
	if c.parts[1] != s.guild {
		return nil, &problem{Status: 404, Code: 10004, Message: "Unknown Guild"}
	}
	switch pattern {
	case "GET guilds/ID/channels":
		all := []*Channel{}
		for _, ch := range s.channels {
			if ch.Type == 0 {
				all = append(all, ch)
			}
		}
		return all, nil
	case "GET guilds/ID/members/search":
		found := []any{}
		for _, u := range s.users {
			if strings.HasPrefix(strings.ToLower(u.Username), strings.ToLower(c.r.URL.Query().Get("query"))) {
				found = append(found, map[string]any{"user": u})
			}
		}
		return found, nil
	case "GET guilds/ID/emojis":
		return []any{map[string]any{"id": s.guild, "name": "petrel_logo"}}, nil
	case "POST guilds/ID/channels":
		var in Channel
		if err := c.into(&in); err != nil {
			return nil, err
		}
		if n := len([]rune(in.Name)); n < 1 || n > 100 {
			return nil, invalid("name", "Must be between 1 and 100 in length.")
		}
		in.ID, in.GuildID, in.Members = s.id(), s.guild, map[string]bool{}
		s.channels[in.ID] = &in
		s.emit("CHANNEL_CREATE", &in)
		return &in, nil
	}
	return nil, errNoRoute
}

func (s *Server) serveChannel(c *call, pattern string) (any, error) {
	ch := s.channels[c.parts[1]]
	switch {
	case pattern[strings.IndexByte(pattern, ' ')+1:] != "channels/ID" && !strings.Contains(pattern, "channels/ID/"):
		return nil, invalid("channel_id", "Value is not snowflake.")
	case ch == nil:
		return nil, errUnknownChannel
	case ch.Forbidden:
		return nil, errMissingAccess
	}
	switch pattern {
	case "GET channels/ID":
		return ch, nil
	case "PATCH channels/ID":
		return s.changeChannel(c, ch)
	case "GET channels/ID/messages":
		return s.history(c, ch), nil
	case "POST channels/ID/messages":
		return s.post(c, ch)
	case "GET channels/ID/messages/ID", "PATCH channels/ID/messages/ID", "DELETE channels/ID/messages/ID":
		return s.serveMessage(c, ch)
	case "POST channels/ID/messages/ID/threads":
		return s.startThread(c, ch)
	case "PUT channels/ID/pins/ID":
		m := s.message(ch.ID, c.parts[3])
		if m == nil {
			return nil, errUnknownMessage
		}
		ch.Pins = append(ch.Pins, m.ID)
		return nil, nil
	case "PUT channels/ID/permissions/ID", "PUT channels/ID/thread-members/ID":
		if s.users[c.parts[3]] == nil {
			return nil, errUnknownUser
		}
		ch.Members[c.parts[3]] = true
		return nil, nil
	}
	if len(c.parts) == 7 && c.parts[4] == "reactions" && c.parts[6] == "@me" && c.r.Method == "PUT" {
		m := s.message(ch.ID, c.parts[3])
		if m == nil {
			return nil, errUnknownMessage
		}
		if c.parts[5][0] < 0x80 && !strings.Contains(c.parts[5], ":") {
			return nil, &problem{Status: 400, Code: 10014, Message: "Unknown Emoji"}
		}
		m.Reactions = append(m.Reactions, c.parts[5])
		return nil, nil
	}
	return nil, errUnknownMessage
}

func (s *Server) changeChannel(c *call, ch *Channel) (any, error) {
	var in struct {
		Topic    *string `json:"topic"`
		Archived *bool   `json:"archived"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	if in.Topic != nil {
		if len([]rune(*in.Topic)) > 1024 {
			return nil, invalid("topic", "Must be 1024 or fewer in length.")
		}
		ch.Topic = *in.Topic
	}
	if in.Archived != nil && !*in.Archived && ch.Locked {
		return nil, errMissingPermission
	}
	return ch, nil
}

// history is the newest messages first, as Discord gives them.
func (s *Server) history(c *call, ch *Channel) []*Message {
	limit, err := strconv.Atoi(c.r.URL.Query().Get("limit"))
	if err != nil {
		limit = 50
	}
	after, _ := strconv.ParseUint(c.r.URL.Query().Get("after"), 10, 64)
	out := []*Message{}
	for _, m := range s.messages[ch.ID] {
		if n, _ := strconv.ParseUint(m.ID, 10, 64); n > after && m.OnlyFor == "" && len(out) < limit {
			out = append(out, s.visible(m, s.granted))
		}
	}
	slices.Reverse(out)
	return out
}
