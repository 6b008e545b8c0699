package mattermost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
)

// examination collects findings.
type examination struct {
	a   *Adapter
	all []adapters.Finding
}

func (x *examination) add(check string, s adapters.Severity, remedy, format string, args ...any) {
	x.all = append(x.all, adapters.Finding{Check: check, Severity: s, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (x *examination) ok(check, format string, args ...any) {
	x.add(check, adapters.OK, "", format, args...)
}

// Examine implements adapters.Examiner.
func (a *Adapter) Examine(ctx context.Context) []adapters.Finding {
	x := &examination{a: a}
	client, reached := x.server(ctx)
	if !reached {
		return x.all
	}
	me, ok := x.account(ctx)
	if !ok {
		return x.all
	}
	x.settings(client)
	x.membership(ctx, me)
	x.commands(ctx)
	x.callbacks(ctx)
	return x.all
}

// server asks for what needs no token: is it there, which version, how far,
// which time.
func (x *examination) server(ctx context.Context) (client map[string]string, ok bool) {
	began := time.Now()
	client, resp, err := x.a.api.GetClientConfig(ctx, "")
	took := time.Since(began)
	if err != nil {
		if resp != nil && resp.StatusCode != 0 {
			x.add("server", adapters.Fatal, "Check chat.mattermost.url; it is the address that people open in a browser, with the path when there is one.",
				"%s answers, but not as Mattermost does (status %d)", x.a.base, resp.StatusCode)
		} else {
			x.add("server", adapters.Fatal, "Check chat.mattermost.url, the name server, firewalls and certificates between here and there.", "%s is not reached: %v", x.a.base, err)
		}
		return nil, false
	}
	x.ok("server", "%s is Mattermost %s; an answer took %s", x.a.base, cmp.Or(client["Version"], "of unknown version"), took.Round(time.Millisecond))
	if resp.Header.Get("Date") != "" {
		x.clock(serverTime(resp), began.Add(took/2))
	}
	return client, true
}

// clock compares the server's clock, which tells whole seconds, with ours.
func (x *examination) clock(theirs, ours time.Time) {
	skew := theirs.Add(500 * time.Millisecond).Sub(ours).Round(time.Second)
	if skew.Abs() > 30*time.Second {
		x.add("clock", adapters.Warning, "Set both clocks by NTP.", "the server's clock differs from ours by %s: messages written around a start may be missed or answered late", skew)
		return
	}
	x.ok("clock", "the clocks differ by %s", skew)
}

func (x *examination) account(ctx context.Context) (*model.User, bool) {
	me, _, err := x.a.askMe(ctx)
	var refused *refusedError
	switch {
	case errors.As(err, &refused):
		x.add("token", adapters.Fatal, "Make a new access token: Integrations > Bot Accounts > the bot > Create New Token; put it into chat.mattermost.token.", "Mattermost refuses the token")
		return nil, false
	case err != nil:
		x.add("token", adapters.Fatal, "", "the token could not be tried: %v", err)
		return nil, false
	case !me.IsBot:
		x.add("token", adapters.Warning, "Make a bot account (Integrations > Bot Accounts) and use its token: what the bot says would appear as said by this person.", "the token belongs to the person @%s, not to a bot account", me.Username)
	default:
		x.ok("token", "it belongs to the bot @%s; people write @%s to speak to it", me.Username, me.Username)
	}
	if strings.Contains(me.Roles, model.SystemAdminRoleId) {
		x.add("roles", adapters.Warning, "Give the bot account the role Member; it needs no more, private answers then go by the command's own way back or directly.", "the bot is a system administrator")
	}
	return me, true
}

// settings looks at the switches that a client may see.
func (x *examination) settings(c map[string]string) {
	off := func(name string) bool { return c[name] == "false" }
	if off("EnableBotAccountCreation") {
		x.add("settings", adapters.Warning, "System Console > Integrations > Bot Accounts > Enable Bot Account Creation, when a new bot or token is needed.", "ServiceSettings.EnableBotAccountCreation is off; existing bots go on working")
	}
	if off("EnableCommands") && len(x.a.tokens) > 0 {
		x.add("settings", adapters.Warning, "System Console > Integrations > Integration Management > Enable Custom Slash Commands.", "custom slash commands are switched off, and chat.mattermost.command_tokens is set")
	}
	if off("EnableFileAttachments") {
		x.add("settings", adapters.Warning, "System Console > Site Configuration > File Sharing and Downloads > Allow File Sharing.", "the server takes no files: of long output only the beginning and the end are shown")
	}
	if n, err := strconv.Atoi(c["PostEditTimeLimit"]); err == nil && n >= 0 {
		x.add("settings", adapters.Warning, "System Console > Site Configuration > Posts: let posts be edited at any time.", "posts can be edited for %d s only: live cards of longer runs stop changing then", n)
	}
	x.ok("limits", "a post may have %s characters", cmp.Or(c["MaxPostSize"], strconv.Itoa(model.PostMessageMaxRunesV2)))
	site, err := url.Parse(c["SiteURL"])
	ours, _ := url.Parse(x.a.base)
	switch {
	case c["SiteURL"] == "" || err != nil:
		x.add("site url", adapters.Warning, "System Console > Environment > Web Server > Site URL.", "the server has no SiteURL: links in its messages and mails lead nowhere")
	case site.Host != ours.Host:
		x.ok("site url", "it is %s; this program uses %s, which is no harm", c["SiteURL"], x.a.base)
	default:
		x.ok("site url", "it is %s", c["SiteURL"])
	}
}

func (x *examination) membership(ctx context.Context, me *model.User) {
	teams, err := x.a.teams(ctx)
	if err != nil {
		x.add("teams", adapters.Warning, "", "%v", err)
		return
	}
	if len(teams) == 0 {
		x.add("teams", adapters.Fatal, "Add it: open the team's menu > Invite People > its name.", "the bot is in no team, so it hears nobody")
		return
	}
	var names []string
	for _, t := range teams {
		names = append(names, t.Name)
	}
	channels, resp, err := x.a.api.GetChannelsForUserWithLastDeleteAt(ctx, me.Id, 0)
	if err != nil {
		x.add("channels", adapters.Warning, "", "%v", x.a.fault(ctx, "list the bot's channels", resp, err))
		return
	}
	var in []string
	direct := 0
	for _, c := range channels {
		if c.Type == model.ChannelTypeDirect || c.Type == model.ChannelTypeGroup {
			direct++
		} else {
			in = append(in, "#"+c.Name)
		}
	}
	x.ok("teams", "the bot is in %s", strings.Join(names, ", "))
	if len(in) == 0 {
		x.add("channels", adapters.Warning, "Write /invite @"+me.Username+" in a channel.", "the bot is in no channel; it hears direct messages only")
		return
	}
	shown := in
	if len(shown) > 20 {
		shown = append(shown[:20:20], "...")
	}
	x.ok("channels", "the bot hears %d channels (%s) and %d direct ones", len(in), strings.Join(shown, ", "), direct)
}

// commands compares the slash commands of the server with the configuration,
// when the bot may see them.
func (x *examination) commands(ctx context.Context) {
	address := x.a.callback + "/command"
	if len(x.a.tokens) == 0 {
		x.ok("slash commands", "none is configured; to have one, make it with the address %s and put its token into chat.mattermost.command_tokens", address)
		return
	}
	teams, err := x.a.teams(ctx)
	if err != nil {
		return // told by membership
	}
	seen := false
	for _, t := range teams {
		list, _, err := x.a.api.ListCommands(ctx, t.Id, true)
		if err != nil {
			continue // it has not the right to see them, which it does not need
		}
		for _, c := range list {
			if c.URL != address {
				continue
			}
			seen = true
			r := &http.Request{Header: http.Header{}}
			if c.Token != "" && !x.a.knows(r, c.Token) {
				x.add("slash commands", adapters.Warning, "Add its token to chat.mattermost.command_tokens.", "/%s of team %s leads here, and its token is not known", c.Trigger, t.Name)
			}
		}
	}
	x.ok("slash commands", "%d tokens are configured%s", len(x.a.tokens), map[bool]string{true: "; commands that lead here were found", false: "; the bot may not see whether their commands exist, try one"}[seen])
}

// callbacks looks at the way from the server to us, which slash commands,
// buttons and forms need.
func (x *examination) callbacks(ctx context.Context) {
	u, err := url.Parse(x.a.callback)
	if err != nil || u.Hostname() == "" {
		x.add("callbacks", adapters.Warning, "Set http.public_url to the address under which the Mattermost server reaches this program.", "the server has no way to call this program: buttons, forms and slash commands do nothing")
		return
	}
	x.reach(ctx)
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		x.add("callbacks", adapters.Warning, "Give http.public_url a name that the Mattermost server can resolve.", "%s cannot be resolved: %v", u.Hostname(), err)
		return
	}
	for _, ip := range addresses {
		ip = ip.Unmap()
		switch {
		case ip.IsUnspecified():
			x.add("callbacks", adapters.Warning, "Set http.public_url to an address of this machine that the Mattermost server reaches.", "http.public_url leads to %s, which is no address that can be called", ip)
		case ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast():
			x.internal(ctx, u.Hostname(), ip)
		default:
			x.ok("callbacks", "buttons, forms and slash commands come to %s (%s)", x.a.callback, ip)
		}
		return
	}
}

// internal deals with an address that the server does not call unless it is told
// that it may: the commonest reason why a button or a slash command does nothing.
func (x *examination) internal(ctx context.Context, host string, ip netip.Addr) {
	kind := "private"
	if ip.IsLoopback() {
		kind = "loopback"
	}
	config, _, err := x.a.api.GetConfigWithOptions(ctx, model.GetConfigOptions{RemoveDefaults: false})
	if err == nil {
		service, _ := config["ServiceSettings"].(map[string]any)
		list, known := service["AllowedUntrustedInternalConnections"].(string)
		if known && allows(list, host, ip) {
			x.ok("private address", "%s is a %s address, and the server may call it (AllowedUntrustedInternalConnections: %q)", ip, kind, list)
			return
		}
		if known {
			x.add("private address", adapters.Warning, x.allow(host, kind),
				"buttons, forms and slash commands do nothing: http.public_url leads to the %s address %s, and the server's AllowedUntrustedInternalConnections (%q) does not allow it", kind, ip, list)
			return
		}
	}
	x.add("private address", adapters.Warning, x.allow(host, kind),
		"http.public_url leads to the %s address %s, which a Mattermost server does not call unless it is allowed; the bot may not see whether it is. If it is not, buttons, forms and slash commands do nothing", kind, ip)
}

func (x *examination) allow(host, kind string) string {
	text := "System Console > Environment > Developer > Allow untrusted internal connections to: add " + strconv.Quote(host) + "."
	if kind == "loopback" {
		text += " That reaches this program only when the server runs on the same machine, and not in a container of its own."
	}
	return text
}

// allows reads AllowedUntrustedInternalConnections: names, addresses and ranges,
// between spaces or commas.
func allows(list, host string, ip netip.Addr) bool {
	for _, entry := range strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' }) {
		if strings.EqualFold(entry, host) {
			return true
		}
		if p, err := netip.ParsePrefix(entry); err == nil && p.Contains(ip) {
			return true
		}
		if addr, err := netip.ParseAddr(entry); err == nil && addr.Unmap() == ip {
			return true
		}
	}
	return false
}

// reach tries our own address from here.
func (x *examination) reach(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.a.callback+"/", nil)
	if err != nil {
		x.add("callbacks", adapters.Warning, "Set http.public_url.", "%s is no address: %v", x.a.callback, err)
		return
	}
	const remedy = "Start petrel, and see that http.public_url leads to it through every proxy, with the path /chat/mattermost/."
	began := time.Now()
	resp, err := x.a.http.Do(req)
	if err != nil {
		x.add("way back", adapters.Warning, remedy, "nothing answers at %s now: %v", x.a.callback, err)
		return
	}
	resp.Body.Close()
	if resp.Header.Get(hereHeader) != x.a.seal.mark("here") {
		x.add("way back", adapters.Warning, remedy, "something else answers at %s (status %d)", x.a.callback, resp.StatusCode)
		return
	}
	x.ok("way back", "%s leads to this program, in %s from here", x.a.callback, time.Since(began).Round(time.Millisecond))
}
