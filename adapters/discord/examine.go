package discord

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bwmarrin/discordgo"
	"github.com/gorilla/websocket"

	"petrel/adapters"
)

// Flags of an application by which Discord grants the message content intent:
// for bots on 100 servers and more, and for others.
const (
	flagContent        = 1 << 18
	flagContentLimited = 1 << 19
)

// slowTrip is a round trip that endangers the 3 s of an acknowledgement; farClock
// is a difference of clocks by which the age of tokens is misjudged.
const (
	slowTrip = time.Second
	farClock = 30 * time.Second
)

// Examine implements adapters.Examiner.
func (a *Adapter) Examine(ctx context.Context) []adapters.Finding {
	var self user
	begun := time.Now()
	err := a.api.get(ctx, "users/@me", &self)
	trip := time.Since(begun)
	if err != nil {
		return []adapters.Finding{tokenProblem(err)}
	}
	found := []adapters.Finding{{Check: "token", Severity: adapters.OK, Text: fmt.Sprintf("the bot is %s (%s)", self.Username, self.ID)}}
	found = append(found, a.examineIntents(ctx))
	found = append(found, a.examineServers(ctx)...)
	found = append(found, a.examineGateway(ctx)...)
	found = append(found, a.examineCommands(ctx), a.examineClock(), examineTrip(trip))
	return found
}

func tokenProblem(err error) adapters.Finding {
	if refusedStatus(err) == http.StatusUnauthorized {
		return adapters.Finding{
			Check: "token", Severity: adapters.Fatal, Text: "Discord refuses the token",
			Remedy: "make a new one in the Developer Portal (discord.com/developers/applications) under Bot, Reset Token, and put it into chat.discord.token",
		}
	}
	return adapters.Finding{
		Check: "reachability", Severity: adapters.Fatal, Text: err.Error(),
		Remedy: "let this machine reach discord.com and gateway.discord.gg on port 443 (HTTPS and WebSocket; HTTPS_PROXY is obeyed)",
	}
}

func (a *Adapter) examineIntents(ctx context.Context) adapters.Finding {
	var app struct {
		Flags int `json:"flags"`
	}
	f := adapters.Finding{Check: "message content", Severity: adapters.OK}
	if err := a.api.get(ctx, "applications/@me", &app); err != nil {
		f.Severity, f.Text = adapters.Warning, err.Error()
		return f
	}
	granted := app.Flags&(flagContent|flagContentLimited) != 0
	switch {
	case a.content && !granted:
		f.Severity, f.Text = adapters.Fatal, "chat.discord.message_content is true, but Discord does not grant the intent: the connection will be refused (4014)"
		f.Remedy = "switch on Message Content Intent in the Developer Portal under Bot, or set chat.discord.message_content to false"
	case a.content:
		f.Text = "granted: commands with a prefix work"
	default:
		f.Text = "not asked for: mentions, direct messages and slash commands work, a prefix does not"
	}
	return f
}

// needed are the permissions that the bot uses, with what goes wrong without.
func needed() []struct {
	bit  int64
	name string
} {
	return []struct {
		bit  int64
		name string
	}{
		{discordgo.PermissionViewChannel, "View Channels"}, {discordgo.PermissionSendMessages, "Send Messages"},
		{discordgo.PermissionCreatePublicThreads, "Create Public Threads"}, {discordgo.PermissionSendMessagesInThreads, "Send Messages in Threads"},
		{discordgo.PermissionEmbedLinks, "Embed Links"}, {discordgo.PermissionAttachFiles, "Attach Files"},
		{discordgo.PermissionReadMessageHistory, "Read Message History"}, {discordgo.PermissionAddReactions, "Add Reactions"},
	}
}

func (a *Adapter) examineServers(ctx context.Context) []adapters.Finding {
	all, err := a.servers(ctx)
	if err != nil {
		return []adapters.Finding{{Check: "servers", Severity: adapters.Warning, Text: err.Error()}}
	}
	var found []adapters.Finding
	if len(all) == 0 {
		found = append(found, adapters.Finding{
			Check: "servers", Severity: adapters.Fatal, Text: "the bot is on no server",
			Remedy: "open the install link of docs/discord.md with your application's ID, and choose your server",
		})
	}
	if a.guild != "" && !slices.ContainsFunc(all, func(g guild) bool { return g.ID == a.guild }) {
		found = append(found, adapters.Finding{
			Check: "servers", Severity: adapters.Fatal, Text: "the bot is not on the server " + a.guild + " of chat.discord.guild",
			Remedy: "install it there, or correct the ID",
		})
	}
	for _, g := range all {
		f := adapters.Finding{Check: "server " + g.Name, Severity: adapters.OK, Text: "all permissions are there"}
		has, err := strconv.ParseInt(g.Permissions, 10, 64)
		var missing []string
		for _, p := range needed() {
			if err == nil && has&p.bit == 0 && has&discordgo.PermissionAdministrator == 0 {
				missing = append(missing, p.name)
			}
		}
		if len(missing) > 0 {
			f.Severity, f.Text = adapters.Warning, "the bot's role lacks: "+strings.Join(missing, ", ")
			f.Remedy = "grant them in Server Settings, Roles; single channels may take them away again"
		}
		found = append(found, f)
	}
	return found
}

func (a *Adapter) examineGateway(ctx context.Context) []adapters.Finding {
	var info gatewayInfo
	if err := a.api.get(ctx, "gateway/bot", &info); err != nil {
		return []adapters.Finding{{Check: "gateway", Severity: adapters.Fatal, Text: err.Error()}}
	}
	budget := adapters.Finding{
		Check: "sessions", Severity: adapters.OK,
		Text: fmt.Sprintf("%d of %d starts are left for the next %s", info.Limit.Remaining, info.Limit.Total, (time.Duration(info.Limit.ResetAfter) * time.Millisecond).Round(time.Minute)),
	}
	if info.Limit.Remaining < scarce && info.Limit.Total > scarce {
		budget.Severity, budget.Remedy = adapters.Warning, "find out what starts this bot so often (another program with the same token?); with none left Discord resets the token"
	}
	gate := adapters.Finding{Check: "gateway", Severity: adapters.OK}
	took, err := greet(ctx, info.URL)
	if err != nil {
		gate.Severity, gate.Text = adapters.Fatal, fmt.Sprintf("%s cannot be talked to: %v", info.URL, err)
		gate.Remedy = "let WebSocket connections to it through the firewall or proxy"
	} else {
		gate.Text = fmt.Sprintf("%s answers after %d ms", info.URL, took.Milliseconds())
	}
	return []adapters.Finding{gate, budget}
}

// greet opens a socket to the gateway and waits for its first frame; that costs
// no session.
func greet(ctx context.Context, address string) (time.Duration, error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, strings.TrimSuffix(address, "/")+"/?v="+discordgo.APIVersion+"&encoding=json", nil)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(begun.Add(10 * time.Second)); err != nil {
		return 0, err
	}
	var f frame
	if err := conn.ReadJSON(&f); err != nil {
		return 0, err
	}
	if f.Op != opHello {
		return 0, errors.New("it does not speak Discord's protocol")
	}
	return time.Since(begun), nil
}

func (a *Adapter) examineCommands(ctx context.Context) adapters.Finding {
	f := adapters.Finding{Check: "slash commands", Severity: adapters.OK}
	path, err := a.commandsPath(ctx)
	var have []wireCommand
	if err == nil {
		err = a.api.get(ctx, path, &have)
	}
	switch {
	case refusedStatus(err) == http.StatusForbidden:
		f.Severity, f.Text, f.Remedy = adapters.Warning, err.Error(), "install the bot again with the scope applications.commands"
	case err != nil:
		f.Severity, f.Text = adapters.Warning, err.Error()
	default:
		f.Text = fmt.Sprintf("%d are known to Discord", len(have))
	}
	return f
}

func (a *Adapter) examineClock() adapters.Finding {
	ahead := time.Duration(a.api.skew.Load())
	f := adapters.Finding{Check: "clock", Severity: adapters.OK, Text: fmt.Sprintf("within %s of Discord's", max(ahead.Abs(), time.Second).Round(time.Second))}
	if ahead.Abs() > farClock {
		f.Severity, f.Text = adapters.Warning, fmt.Sprintf("Discord's clock differs by %s", ahead.Round(time.Second))
		f.Remedy = "set this machine's clock (NTP): whether a command can still be answered is judged by it"
	}
	return f
}

func examineTrip(trip time.Duration) adapters.Finding {
	f := adapters.Finding{Check: "round trip", Severity: adapters.OK, Text: fmt.Sprintf("%d ms", trip.Milliseconds())}
	if trip > slowTrip {
		f.Severity, f.Remedy = adapters.Warning, "Discord wants acknowledgements within 3 s; look for a slow proxy or resolver"
	}
	return f
}
