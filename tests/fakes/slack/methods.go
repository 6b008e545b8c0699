package slack

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// methods are those of the Web API that the fake has.
func methods() map[string]method {
	write := []string{"chat:write"}
	look := []string{"channels:read", "groups:read", "im:read"}
	manage := []string{"channels:manage", "groups:write"}
	return map[string]method{
		"auth.test":                    {do: (*Server).authTest},
		"apps.connections.open":        {app: true, do: (*Server).openConnection},
		"chat.postMessage":             {scopes: write, post: true, do: (*Server).postMessage},
		"chat.postEphemeral":           {scopes: write, post: true, do: (*Server).postEphemeral},
		"chat.update":                  {scopes: write, do: (*Server).updateMessage},
		"users.info":                   {scopes: []string{"users:read"}, do: (*Server).userInfo},
		"users.list":                   {scopes: []string{"users:read"}, do: (*Server).userList},
		"users.lookupByEmail":          {scopes: []string{"users:read.email"}, do: (*Server).userByEmail},
		"users.conversations":          {scopes: look, do: (*Server).ownConversations},
		"conversations.info":           {scopes: look, do: (*Server).conversationInfo},
		"conversations.list":           {scopes: look, do: (*Server).conversationList},
		"conversations.open":           {scopes: []string{"im:write"}, do: (*Server).conversationOpen},
		"conversations.create":         {scopes: manage, do: (*Server).conversationCreate},
		"conversations.invite":         {scopes: manage, do: (*Server).conversationInvite},
		"conversations.setTopic":       {scopes: manage, do: (*Server).conversationTopic},
		"conversations.join":           {scopes: []string{"channels:join"}, do: (*Server).conversationJoin},
		"pins.add":                     {scopes: []string{"pins:write"}, do: (*Server).pin},
		"reactions.add":                {scopes: []string{"reactions:write"}, do: (*Server).react},
		"views.open":                   {do: (*Server).openView},
		"files.getUploadURLExternal":   {scopes: []string{"files:write"}, do: (*Server).uploadURL},
		"files.completeUploadExternal": {scopes: []string{"files:write"}, post: true, do: (*Server).completeUpload},
	}
}

const teamID = "T0FAKE"

func (s *Server) authTest(args) (reply, error) {
	return reply{"url": s.http.URL, "team": "Fake", "team_id": teamID, "user": "petrel", "user_id": s.bot().ID, "bot_id": "B0FAKE"}, nil
}

func (s *Server) userReply(p *person) reply {
	profile := reply{"real_name": strings.ToUpper(p.Name[:1]) + p.Name[1:]}
	if slices.Contains(s.Scopes, "users:read.email") {
		profile["email"] = p.Email
	}
	return reply{"id": p.ID, "team_id": teamID, "name": p.Name, "is_bot": p.Bot, "profile": profile}
}

func (s *Server) userInfo(a args) (reply, error) {
	p := s.people[a["user"]]
	if p == nil {
		return nil, refuse("user_not_found")
	}
	return reply{"user": s.userReply(p)}, nil
}

func (s *Server) userByEmail(a args) (reply, error) {
	for _, p := range s.people {
		if p.Email != "" && strings.EqualFold(p.Email, a["email"]) {
			return reply{"user": s.userReply(p)}, nil
		}
	}
	return nil, refuse("users_not_found")
}

// page cuts a list as Slack does; the cursor is the place to go on.
func page[T any](all []T, a args) ([]T, reply) {
	limit, _ := strconv.Atoi(a["limit"])
	if limit <= 0 {
		limit = 100
	}
	from, _ := strconv.Atoi(a["cursor"])
	from = min(from, len(all))
	to, next := min(from+limit, len(all)), ""
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], reply{"next_cursor": next}
}

func (s *Server) userList(a args) (reply, error) {
	var all []reply
	for _, p := range s.people {
		all = append(all, s.userReply(p))
	}
	slices.SortFunc(all, func(x, y reply) int { return cmp.Compare(x["id"].(string), y["id"].(string)) })
	members, next := page(all, a)
	return reply{"members": members, "response_metadata": next}, nil
}

func (s *Server) channelReply(c *channel) reply {
	if c.With != "" {
		return reply{"id": c.ID, "is_im": true, "user": c.With}
	}
	return reply{
		"id": c.ID, "name": c.Name, "is_channel": !c.Private, "is_group": c.Private, "is_private": c.Private,
		"is_member": c.members[s.bot().ID], "topic": reply{"value": c.Topic},
	}
}

// visible returns a channel that the app can see.
func (s *Server) visible(id string) (*channel, error) {
	c := s.channels[id]
	if c == nil || c.Private && !c.members[s.bot().ID] {
		return nil, refuse("channel_not_found")
	}
	return c, nil
}

func (s *Server) conversationInfo(a args) (reply, error) {
	c, err := s.visible(a["channel"])
	if err != nil {
		return nil, err
	}
	return reply{"channel": s.channelReply(c)}, nil
}

func (s *Server) conversations(a args, ok func(*channel) bool) (reply, error) {
	var all []reply
	for _, c := range s.channels {
		if c.With == "" && ok(c) {
			all = append(all, s.channelReply(c))
		}
	}
	slices.SortFunc(all, func(x, y reply) int { return cmp.Compare(x["id"].(string), y["id"].(string)) })
	channels, next := page(all, a)
	return reply{"channels": channels, "response_metadata": next}, nil
}

func (s *Server) conversationList(a args) (reply, error) {
	return s.conversations(a, func(c *channel) bool { return !c.Private || c.members[s.bot().ID] })
}

func (s *Server) ownConversations(a args) (reply, error) {
	return s.conversations(a, func(c *channel) bool { return c.members[s.bot().ID] })
}

func (s *Server) conversationOpen(a args) (reply, error) {
	p := s.people[a["users"]]
	if p == nil {
		return nil, refuse("user_not_found")
	}
	return reply{"channel": reply{"id": s.dm(p).ID}}, nil
}

func (s *Server) conversationCreate(a args) (reply, error) {
	name := a["name"]
	switch {
	case name == "":
		return nil, refuse("invalid_name_required")
	case len([]rune(name)) > 80:
		return nil, refuse("invalid_name_maxlength")
	case name != strings.ToLower(name) || strings.ContainsAny(name, " .#/@!"):
		return nil, refuse("invalid_name_specials")
	case s.channelNamed(name) != nil:
		return nil, refuse("name_taken")
	}
	return reply{"channel": s.channelReply(s.addChannel(name, a["is_private"] == "true", true))}, nil
}

// conversationInvite refuses everybody when one cannot come, as Slack does.
func (s *Server) conversationInvite(a args) (reply, error) {
	c, err := s.visible(a["channel"])
	if err != nil {
		return nil, err
	}
	var comers []string
	var problems []reply
	for id := range strings.SplitSeq(a["users"], ",") {
		switch {
		case s.people[id] == nil:
			problems = append(problems, reply{"user": id, "ok": false, "error": "user_not_found"})
		case s.people[id].Name == "gone":
			problems = append(problems, reply{"user": id, "ok": false, "error": "user_is_restricted"})
		case c.members[id]:
			problems = append(problems, reply{"user": id, "ok": false, "error": "already_in_channel"})
		default:
			comers = append(comers, id)
		}
	}
	if len(problems) > 0 {
		return reply{"errors": problems}, refuse(problems[0]["error"].(string))
	}
	for _, id := range comers {
		c.members[id] = true
	}
	return reply{"channel": s.channelReply(c)}, nil
}

func (s *Server) conversationTopic(a args) (reply, error) {
	c, err := s.visible(a["channel"])
	switch {
	case err != nil:
		return nil, err
	case !c.members[s.bot().ID]:
		return nil, refuse("not_in_channel")
	case len([]rune(a["topic"])) > 250:
		return nil, refuse("too_long")
	}
	c.Topic = a["topic"]
	return reply{"channel": s.channelReply(c)}, nil
}

func (s *Server) conversationJoin(a args) (reply, error) {
	c, err := s.visible(a["channel"])
	switch {
	case err != nil:
		return nil, err
	case c.Private:
		return nil, refuse("method_not_supported_for_channel_type")
	}
	c.members[s.bot().ID] = true
	return reply{"channel": s.channelReply(c)}, nil
}

func (s *Server) pin(a args) (reply, error) {
	c, err := s.visible(a["channel"])
	if err != nil {
		return nil, err
	}
	m := c.find(a["timestamp"])
	switch {
	case m == nil || m.Only != "":
		return nil, refuse("message_not_found")
	case m.Pinned:
		return nil, refuse("already_pinned")
	}
	m.Pinned = true
	return nil, nil
}

func (s *Server) react(a args) (reply, error) {
	c, err := s.visible(a["channel"])
	if err != nil {
		return nil, err
	}
	m := c.find(a["timestamp"])
	switch {
	case m == nil || m.Only != "":
		return nil, refuse("message_not_found")
	case a["name"] == "" || strings.ContainsAny(a["name"], ": "):
		return nil, refuse("invalid_name")
	case slices.Contains(m.Reactions, a["name"]):
		return nil, refuse("already_reacted")
	}
	m.Reactions = append(m.Reactions, a["name"])
	return nil, nil
}
