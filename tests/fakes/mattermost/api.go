package mattermost

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// routes is the REST API, as far as a bot needs it.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.dated)
	r.Get("/api/v4/websocket", s.serveSocket)
	r.Post("/hooks/commands/{id}", s.answerHook)
	r.Group(func(r chi.Router) {
		r.Use(s.throttled)
		r.Get("/api/v4/system/ping", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, map[string]any{"status": "OK"}) })
		r.Get("/api/v4/config/client", s.getClientConfig)
		r.Group(func(r chi.Router) {
			r.Use(s.authorized)
			r.Get("/api/v4/config", s.getConfig)
			r.Get("/api/v4/users/me", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, s.bot) })
			r.Get("/api/v4/users/{id}", s.getUser)
			r.Get("/api/v4/users/username/{name}", s.getUser)
			r.Get("/api/v4/users/email/{email}", s.getUser)
			r.Get("/api/v4/users/{id}/status", s.getStatus)
			r.Get("/api/v4/users/{id}/teams", s.getTeams)
			r.Get("/api/v4/users/{id}/channels", s.getChannels)
			r.Get("/api/v4/teams/{team}/channels/name/{name}", s.getChannelByName)
			r.Post("/api/v4/channels", s.postChannel)
			r.Post("/api/v4/channels/direct", s.postDirect)
			r.Get("/api/v4/channels/{id}", s.getChannel)
			r.Put("/api/v4/channels/{id}/patch", s.patchChannel)
			r.Post("/api/v4/channels/{id}/members", s.postMember)
			r.Get("/api/v4/channels/{id}/posts", s.getPosts)
			r.Post("/api/v4/posts", s.postPost)
			r.Post("/api/v4/posts/ephemeral", s.postEphemeral)
			r.Get("/api/v4/posts/{id}", s.getPost)
			r.Put("/api/v4/posts/{id}/patch", s.patchPost)
			r.Post("/api/v4/posts/{id}/pin", s.pinPost)
			r.Post("/api/v4/reactions", s.postReaction)
			r.Post("/api/v4/files", s.postFile)
			r.Post("/api/v4/actions/dialogs/open", s.openDialog)
			r.Get("/api/v4/commands", s.getCommands)
		})
	})
	return r
}

func (s *Server) dated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(s.opt.Skew).UTC().Format(http.TimeFormat))
		w.Header().Set("X-Version-Id", "11.5.0.11.5.0.fake.false")
		next.ServeHTTP(w, r)
	})
}

// authorized lets the bot's token through.
func (s *Server) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.valid(bearer(r)) {
			refuse(w, http.StatusUnauthorized, "api.context.session_expired.app_error", "Invalid or expired session, please login again.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bearer is the token in a request's head.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return token
}

func (s *Server) valid(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return token == s.token && !s.faults.revoked
}

// do runs f under the lock and answers with what it returns.
func (s *Server) do(w http.ResponseWriter, status int, f func() (any, error)) {
	s.mu.Lock()
	v, err := f()
	var body []byte
	if err == nil {
		body, err = json.Marshal(v)
	}
	s.mu.Unlock()
	var refused *apiError
	switch {
	case errors.As(err, &refused):
		refuse(w, refused.status, refused.id, refused.message)
	case err != nil:
		refuse(w, http.StatusInternalServerError, "fake", err.Error())
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(body)
	}
}

// input reads a JSON body.
func input(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		refuse(w, http.StatusBadRequest, "api.context.invalid_body_param.app_error", err.Error())
		return false
	}
	return true
}

func notFound(what string) error {
	return &apiError{http.StatusNotFound, "app." + what + ".missing.app_error", "Unable to find the existing " + what + "."}
}

func noRight() error {
	return &apiError{http.StatusForbidden, "api.context.permissions.app_error", "You do not have the appropriate permissions."}
}

func (s *Server) getClientConfig(w http.ResponseWriter, _ *http.Request) {
	site := s.opt.SiteURL
	if site == "" {
		site = s.URL()
	}
	writeJSON(w, 200, map[string]string{
		"MaxPostSize": strconv.Itoa(s.opt.MaxPostSize), "MaxFileSize": strconv.Itoa(s.opt.MaxFileSize), "EnableFileAttachments": "true",
		"SiteURL": site, "Version": "11.5.0", "BuildNumber": "11.5.0", "EnableBotAccountCreation": "true", "EnableUserAccessTokens": "true",
		"EnableCommands": "true", "PostEditTimeLimit": "-1",
	})
}

func (s *Server) getConfig(w http.ResponseWriter, _ *http.Request) {
	s.do(w, 200, func() (any, error) {
		if !s.opt.ShowConfig {
			return nil, noRight()
		}
		return map[string]any{"ServiceSettings": map[string]any{"AllowedUntrustedInternalConnections": s.opt.Internal, "EnableCommands": true}}, nil
	})
}

func (s *Server) getUser(w http.ResponseWriter, r *http.Request) {
	s.do(w, 200, func() (any, error) {
		id, name, email := chi.URLParam(r, "id"), chi.URLParam(r, "name"), chi.URLParam(r, "email")
		u := find(s.users, func(u *User) bool {
			return id != "" && u.ID == id || name != "" && u.Name == name || email != "" && u.Email == email
		})
		if u == nil {
			return nil, notFound("user")
		}
		return u, nil
	})
}

func (s *Server) getStatus(w http.ResponseWriter, r *http.Request) {
	s.do(w, 200, func() (any, error) {
		u := s.user(chi.URLParam(r, "id"))
		if u == nil {
			return nil, notFound("user")
		}
		return map[string]any{"user_id": u.ID, "status": u.status}, nil
	})
}

func (s *Server) getTeams(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, 200, []map[string]any{{"id": s.team, "name": s.teamName, "display_name": "Main"}})
}

func (s *Server) getChannels(w http.ResponseWriter, r *http.Request) {
	s.do(w, 200, func() (any, error) {
		all := []*Channel{}
		for _, c := range s.channels {
			if c.members[chi.URLParam(r, "id")] {
				all = append(all, c)
			}
		}
		return all, nil
	})
}

func (s *Server) getChannel(w http.ResponseWriter, r *http.Request) {
	s.do(w, 200, func() (any, error) {
		c := s.channel(chi.URLParam(r, "id"))
		if c == nil {
			return nil, notFound("channel")
		}
		if !c.members[s.bot.ID] && c.Type != "O" {
			return nil, noRight()
		}
		return c, nil
	})
}

func (s *Server) getChannelByName(w http.ResponseWriter, r *http.Request) {
	s.do(w, 200, func() (any, error) {
		name := chi.URLParam(r, "name")
		c := find(s.channels, func(c *Channel) bool { return c.Name == name && c.Team == chi.URLParam(r, "team") })
		if c == nil || c.Type != "O" && !c.members[s.bot.ID] {
			return nil, notFound("channel")
		}
		return c, nil
	})
}

func (s *Server) postChannel(w http.ResponseWriter, r *http.Request) {
	var c Channel
	if !input(w, r, &c) {
		return
	}
	s.do(w, http.StatusCreated, func() (any, error) {
		if c.Team != s.team || c.Name == "" || c.Type != "O" && c.Type != "P" || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
			return nil, &apiError{400, "model.channel.is_valid.name.app_error", "Channel name is invalid."}
		}
		if find(s.channels, func(o *Channel) bool { return o.Name == c.Name }) != nil {
			return nil, &apiError{400, "store.sql_channel.save_channel.exists.app_error", "A channel with that name already exists on the same team."}
		}
		c.ID, c.members = newID(), map[string]bool{s.bot.ID: true}
		s.channels = append(s.channels, &c)
		return &c, nil
	})
}

func (s *Server) postDirect(w http.ResponseWriter, r *http.Request) {
	var ids []string
	if !input(w, r, &ids) {
		return
	}
	s.do(w, http.StatusCreated, func() (any, error) {
		if len(ids) != 2 || s.user(ids[0]) == nil || s.user(ids[1]) == nil {
			return nil, &apiError{400, "api.context.invalid_body_param.app_error", "Invalid user IDs."}
		}
		return s.direct(ids[0], ids[1]), nil
	})
}

// member returns a channel that the bot is in. It needs s.mu.
func (s *Server) member(id string) (*Channel, error) {
	c := s.channel(id)
	if c == nil {
		return nil, notFound("channel")
	}
	if !c.members[s.bot.ID] {
		return nil, noRight()
	}
	return c, nil
}

func (s *Server) patchChannel(w http.ResponseWriter, r *http.Request) {
	var patch struct{ Header *string }
	if !input(w, r, &patch) {
		return
	}
	s.do(w, 200, func() (any, error) {
		c, err := s.member(chi.URLParam(r, "id"))
		if err != nil {
			return nil, err
		}
		if patch.Header != nil {
			if len([]rune(*patch.Header)) > 1024 {
				return nil, &apiError{400, "model.channel.is_valid.header.app_error", "Invalid header."}
			}
			c.Header = *patch.Header
		}
		return c, nil
	})
}

func (s *Server) postMember(w http.ResponseWriter, r *http.Request) {
	var body struct {
		UserID string `json:"user_id"`
	}
	if !input(w, r, &body) {
		return
	}
	s.do(w, http.StatusCreated, func() (any, error) {
		c, err := s.member(chi.URLParam(r, "id"))
		if err != nil {
			return nil, err
		}
		if s.user(body.UserID) == nil {
			return nil, notFound("user")
		}
		c.members[body.UserID] = true
		s.touch()
		return map[string]any{"channel_id": c.ID, "user_id": body.UserID}, nil
	})
}

// IsMember reports whether a person is in a channel.
func (s *Server) IsMember(person, channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.channelNamed(channel).members[s.person(person).ID]
}

func (s *Server) getPosts(w http.ResponseWriter, r *http.Request) {
	s.do(w, 200, func() (any, error) {
		c, err := s.member(chi.URLParam(r, "id"))
		if err != nil {
			return nil, err
		}
		q := r.URL.Query()
		page, _ := strconv.Atoi(q.Get("page"))
		size, err := strconv.Atoi(q.Get("per_page"))
		if err != nil || size < 1 {
			size = 60
		}
		after := int64(0)
		if p := s.post(q.Get("after")); p != nil {
			after = p.CreateAt
		}
		return s.page(c.ID, page, min(size, 200), func(p *Post) bool { return p.CreateAt > after && p.DeleteAt == 0 }), nil
	})
}

func (s *Server) getPost(w http.ResponseWriter, r *http.Request) {
	s.do(w, 200, func() (any, error) {
		p := s.post(chi.URLParam(r, "id"))
		if p == nil || p.Only != "" || p.DeleteAt > 0 {
			return nil, notFound("post")
		}
		if _, err := s.member(p.Channel); err != nil {
			return nil, err
		}
		return p.public(), nil
	})
}

func (s *Server) postPost(w http.ResponseWriter, r *http.Request) {
	var p Post
	if !input(w, r, &p) {
		return
	}
	s.do(w, http.StatusCreated, func() (any, error) {
		if _, err := s.member(p.Channel); err != nil {
			return nil, err
		}
		p.User = s.bot.ID
		if p.PendingID == "" {
			return p.public(), s.add(&p)
		}
		before, seen := s.pending[p.PendingID]
		if seen && time.Since(before.at) < s.opt.PendingLife {
			return s.post(before.post).public(), nil
		}
		if err := s.add(&p); err != nil {
			return nil, err
		}
		s.pending[p.PendingID] = pendingPost{post: p.ID, at: time.Now()}
		return p.public(), nil
	})
}

func (s *Server) postEphemeral(w http.ResponseWriter, r *http.Request) {
	var body struct {
		UserID string `json:"user_id"`
		Post   *Post  `json:"post"`
	}
	if !input(w, r, &body) {
		return
	}
	s.do(w, http.StatusCreated, func() (any, error) {
		if s.opt.NoEphemeral {
			return nil, noRight()
		}
		body.Post.User = s.bot.ID
		return body.Post, s.addEphemeral(body.Post, body.UserID)
	})
}

// addEphemeral shows a post to one person. It needs s.mu.
func (s *Server) addEphemeral(p *Post, user string) error {
	if s.user(user) == nil {
		return notFound("user")
	}
	if err := s.check(p); err != nil {
		return err
	}
	p.ID, p.CreateAt, p.Only, p.Type = newID(), s.now(), user, "system_ephemeral"
	p.keepActions()
	p.Pings = s.pings(p, s.channel(p.Channel))
	s.posts = append(s.posts, p)
	s.touch()
	return nil
}

func (s *Server) patchPost(w http.ResponseWriter, r *http.Request) {
	var patch struct {
		Message *string        `json:"message"`
		Props   map[string]any `json:"props"`
	}
	if !input(w, r, &patch) {
		return
	}
	s.do(w, 200, func() (any, error) {
		p := s.post(chi.URLParam(r, "id"))
		if p == nil || p.Only != "" {
			return nil, notFound("post")
		}
		if p.User != s.bot.ID {
			return nil, noRight()
		}
		if err := s.edit(p, patch.Message, patch.Props); err != nil {
			return nil, err
		}
		return p.public(), nil
	})
}

func (s *Server) pinPost(w http.ResponseWriter, r *http.Request) {
	s.do(w, 200, func() (any, error) {
		p := s.post(chi.URLParam(r, "id"))
		if p == nil {
			return nil, notFound("post")
		}
		p.Pinned = true
		s.touch()
		return map[string]string{"status": "OK"}, nil
	})
}

func (s *Server) postReaction(w http.ResponseWriter, r *http.Request) {
	var body struct {
		UserID string `json:"user_id"`
		PostID string `json:"post_id"`
		Emoji  string `json:"emoji_name"`
	}
	if !input(w, r, &body) {
		return
	}
	s.do(w, http.StatusCreated, func() (any, error) {
		p := s.post(body.PostID)
		if p == nil {
			return nil, notFound("post")
		}
		if body.UserID != s.bot.ID {
			return nil, noRight()
		}
		if body.Emoji == "" || strings.ContainsAny(body.Emoji, ": ") {
			return nil, &apiError{400, "model.reaction.is_valid.emoji_name.app_error", "Invalid emoji name."}
		}
		if !slices.Contains(p.Reactions, body.Emoji) {
			p.Reactions = append(p.Reactions, body.Emoji)
		}
		s.touch()
		return body, nil
	})
}

func (s *Server) postFile(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, int64(s.opt.MaxFileSize)+1<<20)
	if err := r.ParseMultipartForm(32 << 20); err != nil {
		http.Error(w, "http: request body too large", http.StatusRequestEntityTooLarge)
		return
	}
	s.do(w, http.StatusCreated, func() (any, error) {
		c, err := s.member(r.FormValue("channel_id"))
		if err != nil {
			return nil, err
		}
		infos := []map[string]any{}
		for _, head := range r.MultipartForm.File["files"] {
			if head.Size > int64(s.opt.MaxFileSize) {
				return nil, &apiError{http.StatusRequestEntityTooLarge, "api.file.upload_file.too_large_detailed.app_error", "Unable to upload the file. The file is too large."}
			}
			f, err := head.Open()
			if err != nil {
				return nil, err
			}
			content, err := io.ReadAll(f)
			f.Close()
			if err != nil {
				return nil, err
			}
			id := newID()
			s.files[id] = file{name: head.Filename, content: content, channel: c.ID}
			infos = append(infos, map[string]any{"id": id, "name": head.Filename, "size": head.Size})
		}
		return map[string]any{"file_infos": infos, "client_ids": []string{}}, nil
	})
}

// Files are the files of a post, by their names.
func (s *Server) Files(p Post) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p.FileIDs) == 0 {
		return nil
	}
	all := map[string]string{}
	for _, id := range p.FileIDs {
		all[s.files[id].name] = string(s.files[id].content)
	}
	return all
}

func (s *Server) getCommands(w http.ResponseWriter, _ *http.Request) {
	s.do(w, 200, func() (any, error) { return nil, noRight() })
}
