package mattermost

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// pendingPost is what is known of a pending_post_id.
type pendingPost struct {
	post string // "" while it is being made
	at   time.Time
}

// apiError is a refusal.
type apiError struct {
	status      int
	id, message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.id, e.message) }

// Say posts as a person and returns the post's ID.
func (s *Server) Say(person, channel, root, text string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.person(person)
	c := s.where(u, channel)
	c.members[u.ID] = true
	p := &Post{User: u.ID, Channel: c.ID, Root: root, Message: text}
	if err := s.add(p); err != nil {
		return "", err
	}
	return p.ID, nil
}

// SayAsWebhook posts as an incoming webhook that a person made.
func (s *Server) SayAsWebhook(person, channel, text string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.person(person)
	p := &Post{User: u.ID, Channel: s.where(u, channel).ID, Message: text, Props: map[string]any{"from_webhook": "true"}}
	if err := s.add(p); err != nil {
		return "", err
	}
	return p.ID, nil
}

// check holds a post to what the real server checks. It needs s.mu.
func (s *Server) check(p *Post) error {
	if n := utf8.RuneCountInString(p.Message); n > s.opt.MaxPostSize {
		return &apiError{400, "model.post.is_valid.message_length.app_error", fmt.Sprintf("Post Message property is longer than the maximum permitted length of %d.", s.opt.MaxPostSize)}
	}
	if p.Root != "" {
		root := s.post(p.Root)
		if root == nil || root.Root != "" || root.Channel != p.Channel || root.DeleteAt > 0 {
			return &apiError{400, "api.post.create_post.root_id.app_error", "Invalid RootId parameter."}
		}
	}
	if len(p.FileIDs) > 10 {
		return &apiError{400, "api.post.create_post.file_ids.app_error", "Too many files."}
	}
	if p.Message == "" && len(p.FileIDs) == 0 && len(attachments(p)) == 0 {
		return &apiError{400, "model.post.is_valid.msg.app_error", "Invalid message."}
	}
	props, _ := json.Marshal(p.Props)
	if utf8.RuneCount(props) > 760_000 {
		return &apiError{400, "model.post.is_valid.props.app_error", "Invalid props."}
	}
	return checkActions(p)
}

// add makes a post and tells all who may see it. It needs s.mu.
func (s *Server) add(p *Post) error {
	if err := s.check(p); err != nil {
		return err
	}
	p.ID, p.CreateAt = newID(), s.now()
	p.UpdateAt = p.CreateAt
	if p.Props == nil {
		p.Props = map[string]any{}
	}
	if u := s.user(p.User); u != nil && u.Bot {
		p.Props["from_bot"] = "true"
	}
	p.keepActions()
	c := s.channel(p.Channel)
	p.Pings = s.pings(p, c)
	s.posts = append(s.posts, p)
	c.LastPostAt = p.CreateAt
	s.announce("posted", p, c)
	s.touch()
	return nil
}

// edit changes a post. It needs s.mu.
func (s *Server) edit(p *Post, message *string, props map[string]any) error {
	changed := *p
	if message != nil {
		changed.Message = *message
	}
	if props != nil {
		changed.Props = props
	}
	if err := s.check(&changed); err != nil {
		return err
	}
	changed.EditAt = s.now()
	changed.UpdateAt = changed.EditAt
	changed.keepActions()
	*p = changed
	s.announce("post_edited", p, s.channel(p.Channel))
	s.touch()
	return nil
}

// announce sends an event about a post to the bot. It needs s.mu.
func (s *Server) announce(kind string, p *Post, c *Channel) {
	if !c.members[s.bot.ID] {
		return
	}
	body, _ := json.Marshal(p.public())
	mentions, _ := json.Marshal(s.mentioned(p))
	sender := ""
	if u := s.user(p.User); u != nil {
		sender = "@" + u.Name
	}
	s.emit(kind, map[string]any{
		"post": string(body), "channel_type": c.Type, "channel_name": c.Name, "channel_display_name": c.Display,
		"team_id": c.Team, "sender_name": sender, "set_online": true, "mentions": string(mentions),
	}, map[string]any{"channel_id": c.ID, "team_id": "", "user_id": "", "omit_users": nil, "connection_id": ""})
}

// mentioned are the IDs of those who are mentioned.
func (s *Server) mentioned(p *Post) []string {
	ids := []string{}
	for _, name := range p.Pings {
		if u := s.userNamed(name); u != nil {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

func (s *Server) post(id string) *Post {
	return find(s.posts, func(p *Post) bool { return p.ID == id })
}

// Posts returns all posts of a channel, oldest first, ephemeral ones among them.
func (s *Server) Posts(channel string) []Post {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channel(channel)
	if c == nil {
		c = s.channelNamed(channel)
	}
	var all []Post
	for _, p := range s.posts {
		if p.Channel == c.ID {
			all = append(all, *p)
		}
	}
	return all
}

// public is a post as clients get it: without what the integrations keep to
// themselves.
func (p *Post) public() *Post {
	shown := *p
	if _, has := p.Props["attachments"]; has {
		shown.Props = maps.Clone(p.Props)
		var copied []any
		body, _ := json.Marshal(attachments(p))
		json.Unmarshal(body, &copied)
		for _, at := range copied {
			m, _ := at.(map[string]any)
			actions, _ := m["actions"].([]any)
			for _, act := range actions {
				if a, ok := act.(map[string]any); ok {
					delete(a, "integration")
				}
			}
		}
		shown.Props["attachments"] = copied
	}
	return &shown
}

// attachments are those of a post.
func attachments(p *Post) []map[string]any {
	list, _ := p.Props["attachments"].([]any)
	var all []map[string]any
	for _, at := range list {
		if m, ok := at.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

// Words are all texts of a post, as they were sent: its message, then what its
// attachments say.
func (p *Post) Words() []string {
	words := []string{p.Message}
	for _, at := range attachments(p) {
		for _, key := range []string{"pretext", "author_name", "title", "text", "footer"} {
			if t, ok := at[key].(string); ok && t != "" {
				words = append(words, t)
			}
		}
		fields, _ := at["fields"].([]any)
		for _, f := range fields {
			if m, ok := f.(map[string]any); ok {
				words = append(words, fmt.Sprint(m["title"], ": ", m["value"]))
			}
		}
	}
	return words
}

// Visible are the posts of a channel that a person sees, oldest first. It needs
// s.mu.
func (s *Server) visible(u *User, c *Channel) []*Post {
	var all []*Post
	if !c.members[u.ID] {
		return nil
	}
	for _, p := range s.posts {
		if p.Channel == c.ID && (p.Only == "" || p.Only == u.ID) && p.DeleteAt == 0 {
			all = append(all, p)
		}
	}
	return all
}

// page returns posts of a channel as the API lists them: newest first. It needs
// s.mu.
func (s *Server) page(channel string, page, size int, keep func(*Post) bool) map[string]any {
	var all []*Post
	for _, p := range slices.Backward(s.posts) {
		if p.Channel == channel && p.Only == "" && keep(p) {
			all = append(all, p)
		}
	}
	from, to := min(page*size, len(all)), min((page+1)*size, len(all))
	order, posts := []string{}, map[string]*Post{}
	for _, p := range all[from:to] {
		order = append(order, p.ID)
		posts[p.ID] = p.public()
	}
	return map[string]any{"order": order, "posts": posts, "next_post_id": "", "prev_post_id": ""}
}

// pings are the names of those whom a post notifies.
func (s *Server) pings(p *Post, c *Channel) []string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, text := range p.Words() {
		for _, word := range MentionsIn(text) {
			word = strings.ToLower(word)
			switch {
			case word == "all" || word == "channel" || word == "here":
				add(word)
			case s.userNamed(word) != nil:
				add(s.userNamed(word).Name)
			}
		}
	}
	return names
}
