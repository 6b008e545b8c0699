package discord

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	intentGuilds   = 1 << 0
	intentMessages = 1 << 9
	intentDirect   = 1 << 12
	intentContent  = 1 << 15
)

// session is what a bot began with IDENTIFY. It outlives its sockets.
type session struct {
	id      string
	intents int
	seq     int
	sent    []frameOut // all events, for those who resume
	socket  *socket    // nil while there is none
}

type frameOut struct {
	Op   int    `json:"op"`
	Seq  *int   `json:"s"`
	Type string `json:"t,omitempty"`
	Data any    `json:"d"`
}

type frameIn struct {
	Op   int             `json:"op"`
	Data json.RawMessage `json:"d"`
}

// socket is one WebSocket. Its fields need Server.mu.
type socket struct {
	conn   *websocket.Conn
	silent bool
	out    chan frameOut
	quit   chan struct{}
	once   sync.Once
	code   int
}

// send needs Server.mu. A socket that nobody reads from is cut.
func (c *socket) send(f frameOut) {
	if c.silent {
		return
	}
	select {
	case c.out <- f:
	default:
		c.conn.Close()
	}
}

// shut needs Server.mu. It closes with a code after what is under way.
func (c *socket) shut(code int) {
	c.code = code
	c.once.Do(func() { close(c.quit) })
}

func (c *socket) write() {
	for {
		select {
		case f := <-c.out:
			if err := c.conn.WriteJSON(f); err != nil {
				c.conn.Close()
				return
			}
			continue
		default:
		}
		select {
		case f := <-c.out:
			if err := c.conn.WriteJSON(f); err != nil {
				c.conn.Close()
				return
			}
		case <-c.quit:
			if c.code != 0 {
				_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(c.code, ""), time.Now().Add(time.Second))
			}
			c.conn.Close()
			return
		}
	}
}

func (s *Server) gatewayURL() string { return "ws" + strings.TrimPrefix(s.http.URL, "http") + "/gw" }

// serveGateway is one connection to the gateway.
func (s *Server) serveGateway(w http.ResponseWriter, r *http.Request) {
	if v := r.URL.Query().Get("v"); v != "9" && v != "10" || r.URL.Query().Get("encoding") != "json" {
		http.Error(w, "unknown version or encoding", http.StatusBadRequest)
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &socket{conn: conn, out: make(chan frameOut, 4096), quit: make(chan struct{})}
	var writer sync.WaitGroup
	writer.Go(c.write)
	s.mu.Lock()
	if s.closed {
		conn.Close()
	}
	s.sockets[c] = true
	c.send(frameOut{Op: 10, Data: map[string]any{"heartbeat_interval": s.heartbeat.Milliseconds()}})
	s.mu.Unlock()
	for {
		_, body, err := conn.ReadMessage()
		if err != nil {
			break
		}
		var f frameIn
		if json.Unmarshal(body, &f) != nil {
			s.shut(c, 4002)
			break
		}
		s.heed(c, f)
	}
	s.mu.Lock()
	c.once.Do(func() { close(c.quit) })
	s.mu.Unlock()
	writer.Wait()
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, c)
	for _, x := range s.sessions {
		if x.socket == c {
			x.socket = nil
		}
	}
	s.touch()
}

func (s *Server) shut(c *socket, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.shut(code)
}

// heed deals with what the bot sends.
func (s *Server) heed(c *socket, f frameIn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f.Op {
	case 1:
		c.send(frameOut{Op: 11})
	case 2:
		s.identify(c, f.Data)
	case 6:
		s.resume(c, f.Data)
	default:
		c.shut(4001)
	}
}

// identify needs s.mu.
func (s *Server) identify(c *socket, data json.RawMessage) {
	var d struct {
		Token   string `json:"token"`
		Intents int    `json:"intents"`
	}
	switch err := json.Unmarshal(data, &d); {
	case err != nil:
		c.shut(4002)
		return
	case d.Token != s.token || s.faults.revoked:
		c.shut(4004)
		return
	case d.Intents&intentContent != 0 && !s.granted:
		c.shut(4014)
		return
	case s.budget <= 0:
		c.shut(4008)
		return
	}
	s.budget--
	x := &session{id: "session-" + s.id(), intents: d.Intents, socket: c}
	s.sessions[x.id] = x
	s.readies++
	s.deliver(x, event{"READY", map[string]any{
		"v": 9, "user": s.bot, "session_id": x.id, "resume_gateway_url": s.gatewayURL(),
		"application": map[string]any{"id": s.app}, "guilds": []any{map[string]any{"id": s.guild, "unavailable": true}},
	}})
	s.deliver(x, event{"GUILD_CREATE", s.guildState()})
	s.touch()
}

// guildState needs s.mu.
func (s *Server) guildState() map[string]any {
	channels, threads := []any{}, []any{}
	for _, c := range s.channels {
		switch {
		case c.Type == 0:
			channels = append(channels, c)
		case c.Type >= 10 && c.Type <= 12:
			threads = append(threads, c)
		}
	}
	return map[string]any{
		"id": s.guild, "name": "Test Guild", "channels": channels, "threads": threads,
		"roles": []any{map[string]any{"id": s.guild, "name": "@everyone"}, map[string]any{"id": s.roleID(), "name": "petrel", "tags": map[string]any{"bot_id": s.bot.ID}}},
	}
}

// roleID is the ID of the bot's own role.
func (s *Server) roleID() string {
	n, _ := strconv.ParseUint(s.bot.ID, 10, 64)
	return strconv.FormatUint(n-1<<22, 10)
}

// resume needs s.mu.
func (s *Server) resume(c *socket, data json.RawMessage) {
	var d struct {
		Token   string `json:"token"`
		Session string `json:"session_id"`
		Seq     int    `json:"seq"`
	}
	if json.Unmarshal(data, &d) != nil || d.Token != s.token || s.faults.revoked {
		c.shut(4004)
		return
	}
	x := s.sessions[d.Session]
	if x == nil || s.faults.noResume || d.Seq > x.seq {
		c.send(frameOut{Op: 9, Data: false})
		return
	}
	x.socket = c
	s.resumes++
	for _, f := range x.sent {
		if *f.Seq > d.Seq {
			c.send(f)
		}
	}
	s.deliver(x, event{"RESUMED", map[string]any{}})
	s.touch()
}

// emit needs s.mu. It sends an event to all sessions, with what goes wrong.
func (s *Server) emit(kind string, data any) {
	events := []event{{kind, data}}
	if s.faults.reorder > 0 && (kind == "MESSAGE_CREATE" || kind == "INTERACTION_CREATE") {
		s.faults.held = append([]event{{kind, data}}, s.faults.held...)
		if s.faults.reorder--; s.faults.reorder > 0 {
			return
		}
		events, s.faults.held = s.faults.held, nil
	}
	for _, e := range events {
		times := 1
		if s.faults.duplicate > 0 {
			s.faults.duplicate--
			times = 2
		}
		for range times {
			for _, x := range s.sessions {
				s.deliver(x, e)
			}
		}
	}
}

// deliver needs s.mu. It sends an event to a session that asked for its kind.
func (s *Server) deliver(x *session, e event) {
	m, isMessage := e.data.(*Message)
	switch {
	case isMessage && m.GuildID != "" && x.intents&intentMessages == 0, isMessage && m.GuildID == "" && x.intents&intentDirect == 0:
		return
	case strings.HasPrefix(e.kind, "CHANNEL_") || strings.HasPrefix(e.kind, "GUILD_") || strings.HasPrefix(e.kind, "THREAD_"):
		if x.intents&intentGuilds == 0 {
			return
		}
	}
	data := e.data
	if isMessage {
		data = s.visible(m, x.intents&intentContent != 0)
	}
	body, err := json.Marshal(data) // as it is now
	if err != nil {
		panic(err)
	}
	x.seq++
	seq := x.seq
	f := frameOut{Seq: &seq, Type: e.kind, Data: json.RawMessage(body)}
	x.sent = append(x.sent, f)
	if x.socket != nil {
		x.socket.send(f)
	}
}

// visible needs s.mu. Without the intent the content of a message is empty, but
// for those to or from the bot.
func (s *Server) visible(m *Message, content bool) *Message {
	if content || m.GuildID == "" || m.Author.ID == s.bot.ID {
		return m
	}
	for _, u := range m.Mentions {
		if u.ID == s.bot.ID {
			return m
		}
	}
	hidden := *m
	hidden.Content, hidden.Embeds, hidden.Components, hidden.Attachments = "", nil, nil, nil
	return &hidden
}
