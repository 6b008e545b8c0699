package discord

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/bwmarrin/discordgo"

	"petrel/adapters"
	"petrel/adapters/markup"
)

const maxTopic = 1024

// entrance is what somebody needs to be in a private channel.
const entrance = discordgo.PermissionViewChannel | discordgo.PermissionSendMessages | discordgo.PermissionReadMessageHistory |
	discordgo.PermissionSendMessagesInThreads | discordgo.PermissionCreatePublicThreads | discordgo.PermissionEmbedLinks | discordgo.PermissionAttachFiles

// home is the server on which channels are made.
func (a *Adapter) home(ctx context.Context) (string, error) {
	if a.guild != "" {
		return a.guild, nil
	}
	all, err := a.servers(ctx)
	switch {
	case err != nil:
		return "", err
	case len(all) != 1:
		return "", fmt.Errorf("the bot is on %d Discord servers; set chat.discord.guild to the one to work on", len(all))
	}
	return all[0].ID, nil
}

// CreateChannel implements adapters.Manager. Discord itself would take a name
// twice.
func (a *Adapter) CreateChannel(ctx context.Context, name string, private bool) (adapters.Channel, error) {
	home, err := a.home(ctx)
	if err != nil {
		return adapters.Channel{}, err
	}
	self, _, err := a.identity(ctx)
	if err != nil {
		return adapters.Channel{}, err
	}
	bare := strings.TrimPrefix(strings.TrimSpace(name), "#")
	if err := a.explore(ctx); err != nil {
		return adapters.Channel{}, err
	}
	for _, c := range a.places.named(bare) {
		if c.GuildID == home {
			return adapters.Channel{}, fmt.Errorf("#%s: %w", bare, adapters.ErrNameTaken)
		}
	}
	body := map[string]any{"name": bare, "type": channelText}
	if private {
		body["permission_overwrites"] = []any{
			overwrite(home, 0, 0, discordgo.PermissionViewChannel), // everyone's role has the ID of the server
			overwrite(self.ID, 1, entrance, 0),
		}
	}
	var made channel
	if err := a.api.do(ctx, "POST", "guilds/"+home+"/channels", body, nil, &made); err != nil {
		return adapters.Channel{}, fmt.Errorf("create #%s: %w", bare, err)
	}
	made.GuildID = home
	a.places.learn(made)
	return adapters.Channel{ID: made.ID, Name: "#" + made.Name}, nil
}

// overwrite grants and denies to a role (kind 0) or a person (1).
func overwrite(id string, kind int, allow, deny int64) map[string]any {
	return map[string]any{"id": id, "type": kind, "allow": strconv.FormatInt(allow, 10), "deny": strconv.FormatInt(deny, 10)}
}

// Invite implements adapters.Manager: people are let into a private channel, or
// added to a thread. Who is on the server sees public channels anyway.
func (a *Adapter) Invite(ctx context.Context, channel string, people []string) error {
	id, err := a.resolve(ctx, channel)
	if err != nil {
		return err
	}
	place, err := a.channelByID(ctx, id)
	if err != nil {
		return err
	}
	var problems []error
	for _, who := range people {
		u, err := a.FindUser(ctx, who)
		if err == nil && place.thread() {
			err = a.api.do(ctx, "PUT", "channels/"+id+"/thread-members/"+u.ID, nil, nil, nil)
		} else if err == nil {
			err = a.api.do(ctx, "PUT", "channels/"+id+"/permissions/"+u.ID, overwrite(u.ID, 1, entrance, 0), nil, nil)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("invite %s: %w", who, err))
		}
	}
	return errors.Join(problems...)
}

// SetTopic implements adapters.Manager. Discord allows two changes in ten
// minutes.
func (a *Adapter) SetTopic(ctx context.Context, channel, topic string) error {
	id, err := a.resolve(ctx, channel)
	if err != nil {
		return err
	}
	return a.api.do(ctx, "PATCH", "channels/"+id, map[string]any{"topic": markup.Shorten(markup.OneLine(topic), maxTopic)}, nil, nil)
}

// Pin implements adapters.Manager.
func (a *Adapter) Pin(ctx context.Context, ref adapters.Ref) error {
	return a.api.do(ctx, "PUT", "channels/"+url.PathEscape(ref.Channel)+"/pins/"+url.PathEscape(ref.Message), nil, nil, nil)
}

// React implements adapters.Manager. emoji is a name such as white_check_mark,
// that of an emoji of the server, or the character itself.
func (a *Adapter) React(ctx context.Context, ref adapters.Ref, emoji string) error {
	sign, err := a.emoji(ctx, ref.Channel, emoji)
	if err != nil {
		return err
	}
	return a.api.do(ctx, "PUT", "channels/"+url.PathEscape(ref.Channel)+"/messages/"+url.PathEscape(ref.Message)+"/reactions/"+url.PathEscape(sign)+"/@me", nil, nil, nil)
}

func (a *Adapter) emoji(ctx context.Context, in, name string) (string, error) {
	name = strings.Trim(strings.TrimSpace(name), ":")
	if sign, ok := emojiNames()[strings.ToLower(name)]; ok {
		return sign, nil
	}
	if name != "" && name[0] >= 0x80 {
		return name, nil
	}
	place, err := a.channelByID(ctx, in)
	if err != nil {
		return "", err
	}
	if place.GuildID != "" {
		var all []struct{ ID, Name string }
		if err := a.api.get(ctx, "guilds/"+place.GuildID+"/emojis", &all); err != nil {
			return "", err
		}
		for _, e := range all {
			if strings.EqualFold(e.Name, name) {
				return e.Name + ":" + e.ID, nil
			}
		}
	}
	return "", fmt.Errorf("no emoji is named %q here; use the character itself, a common name such as white_check_mark, or one of the server's own", name)
}

// emojiNames are the names that other platforms use; Discord takes characters.
func emojiNames() map[string]string {
	return map[string]string{
		"+1": "👍", "thumbsup": "👍", "-1": "👎", "thumbsdown": "👎", "ok_hand": "👌", "ok": "🆗", "wave": "👋", "clap": "👏",
		"raised_hands": "🙌", "pray": "🙏", "muscle": "💪", "point_up": "☝️", "eyes": "👀", "heart": "❤️", "tada": "🎉", "rocket": "🚀",
		"white_check_mark": "✅", "heavy_check_mark": "✔️", "ballot_box_with_check": "☑️", "x": "❌", "negative_squared_cross_mark": "❎",
		"warning": "⚠️", "no_entry": "⛔", "no_entry_sign": "🚫", "octagonal_sign": "🛑", "rotating_light": "🚨", "fire": "🔥", "boom": "💥",
		"hourglass": "⌛", "hourglass_flowing_sand": "⏳", "stopwatch": "⏱️", "alarm_clock": "⏰", "question": "❓", "exclamation": "❗",
		"bulb": "💡", "lock": "🔒", "unlock": "🔓", "key": "🔑", "bug": "🐛", "wrench": "🔧", "hammer": "🔨", "gear": "⚙️", "package": "📦",
		"memo": "📝", "mag": "🔍", "link": "🔗", "bell": "🔔", "no_bell": "🔕", "pushpin": "📌", "calendar": "📅", "chart_with_upwards_trend": "📈",
		"arrow_up": "⬆️", "arrow_down": "⬇️", "arrows_counterclockwise": "🔄", "repeat": "🔁", "recycle": "♻️", "robot_face": "🤖", "robot": "🤖",
		"green_circle": "🟢", "yellow_circle": "🟡", "red_circle": "🔴", "large_blue_circle": "🔵", "star": "⭐", "sparkles": "✨", "zap": "⚡",
		"smile": "😄", "grinning": "😀", "thinking_face": "🤔", "thinking": "🤔", "sob": "😭", "tea": "🍵", "coffee": "☕", "beers": "🍻", "ship": "🚢", "construction": "🚧",
	}
}
