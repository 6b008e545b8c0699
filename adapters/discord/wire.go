package discord

import (
	"encoding/json"
	"strconv"
	"time"
)

// What is read from Discord is read into types of this package that hold what is
// needed and skip the rest: discordgo refuses a whole message when it has a
// component of a kind that came after the library.

type user struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Bot      bool   `json:"bot"`
}

type member struct {
	User *user `json:"user"`
}

// Kinds of channels that matter here.
const (
	channelText          = 0
	channelDirect        = 1
	channelNews          = 5
	threadOfNews         = 10
	threadPublic         = 11
	threadPrivate        = 12
	autoArchiveMinutes   = 1440
	messageDefault       = 0
	messageReply         = 19
	flagEphemeral        = 1 << 6
	flagLoading          = 1 << 7
	interactionCommand   = 2
	interactionComponent = 3
	interactionModal     = 5
	responseMessage      = 4
	responseDeferMessage = 5
	responseDeferUpdate  = 6
	responseModal        = 9
)

type channel struct {
	ID       string `json:"id"`
	GuildID  string `json:"guild_id"`
	ParentID string `json:"parent_id"`
	Name     string `json:"name"`
	Type     int    `json:"type"`
}

func (c channel) thread() bool { return c.Type >= threadOfNews && c.Type <= threadPrivate }

type message struct {
	ID        string    `json:"id"`
	ChannelID string    `json:"channel_id"`
	GuildID   string    `json:"guild_id"`
	Content   string    `json:"content"`
	Timestamp time.Time `json:"timestamp"`
	Type      int       `json:"type"`
	Flags     int       `json:"flags"`
	Author    user      `json:"author"`
	WebhookID string    `json:"webhook_id"`
	Mentions  []user    `json:"mentions"`
	Embeds    []struct {
		URL string `json:"url"`
	} `json:"embeds"`
}

type guild struct {
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Channels    []channel `json:"channels"`
	Threads     []channel `json:"threads"`
	Unavailable bool      `json:"unavailable"`
	Permissions string    `json:"permissions"` // only in /users/@me/guilds
	Roles       []struct {
		ID   string `json:"id"`
		Tags struct {
			BotID string `json:"bot_id"`
		} `json:"tags"`
	} `json:"roles"`
}

type interaction struct {
	ID            string   `json:"id"`
	ApplicationID string   `json:"application_id"`
	Type          int      `json:"type"`
	Token         string   `json:"token"`
	GuildID       string   `json:"guild_id"`
	ChannelID     string   `json:"channel_id"`
	Channel       channel  `json:"channel"` // parts of it
	Member        *member  `json:"member"`
	User          *user    `json:"user"`
	Message       *message `json:"message"`
	Data          struct {
		Name     string         `json:"name"`
		Options  []commandValue `json:"options"`
		CustomID string         `json:"custom_id"`
		Values   []string       `json:"values"`
		Rows     []struct {
			Components []struct {
				CustomID string `json:"custom_id"`
				Value    string `json:"value"`
			} `json:"components"`
		} `json:"components"`
	} `json:"data"`
}

// person is who acts: a member in a guild, a user elsewhere.
func (i *interaction) person() user {
	switch {
	case i.Member != nil && i.Member.User != nil:
		return *i.Member.User
	case i.User != nil:
		return *i.User
	}
	return user{}
}

type commandValue struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// text is the value as a person would write it.
func (v commandValue) text() string {
	var s string
	if json.Unmarshal(v.Value, &s) == nil {
		return s
	}
	return string(v.Value)
}

// madeAt is the time in a Discord ID (a "snowflake"); the zero time when it is none.
func madeAt(id string) time.Time {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return time.Time{}
	}
	const epoch = 1420070400000 // 2015, in milliseconds
	return time.UnixMilli(int64(n>>22) + epoch)
}

// isID reports whether a text is a Discord ID.
func isID(s string) bool {
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && n > 1<<22
}
