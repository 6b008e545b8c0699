package config

import (
	"net/url"
	"strings"
)

// Chat is what all chat platforms share, and one section a platform.
type Chat struct {
	Prefix            string     `yaml:"prefix" doc:"What a command begins with in a channel. Mentions and direct messages need none. Empty: only mentions and direct messages are commands."`
	Name              string     `yaml:"name" doc:"Name the program answers to: @petrel run date."`
	Admins            []string   `yaml:"admins" doc:"Whom people are told to ask when something is not allowed: names, a group, a channel, as they shall read it."`
	StillRunningAfter Duration   `yaml:"still_running_after" doc:"After how long a command that has not ended is said to be still running; again after twice that time, and so on. 0s: never."`
	WebURL            string     `yaml:"web_url" doc:"Address of a StackStorm web console; answers link to executions there. Empty: no links."`
	Terminal          Terminal   `yaml:"terminal"`
	Slack             Slack      `yaml:"slack"`
	Mattermost        Mattermost `yaml:"mattermost"`
	Discord           Discord    `yaml:"discord"`
}

// Terminal is the chat prompt of `petrel` and `petrel chat`.
type Terminal struct {
	DefaultChannel string `yaml:"default_channel" doc:"Channel that a terminal conversation starts in."`
}

// Slack is a Slack app in one workspace.
type Slack struct {
	BotToken      Secret `yaml:"bot_token" doc:"Bot token of the Slack app, xoxb-... Set, the program connects to Slack; see docs/slack.md."`
	AppToken      Secret `yaml:"app_token" doc:"App-level token, xapp-..., for Socket Mode: Slack needs no way in then."`
	SigningSecret Secret `yaml:"signing_secret" doc:"Signing secret of the app, for the mode without app_token, in which Slack calls http.public_url/chat/slack/."`
	APIURL        string `yaml:"api_url" doc:"Address of Slack's API, for GovSlack and tests; ends with a slash."`
}

// Mattermost is a bot account on one Mattermost server.
type Mattermost struct {
	URL           string   `yaml:"url" doc:"Address of the Mattermost server, such as https://chat.example.org. Set, the program connects to it; see docs/mattermost.md."`
	Token         Secret   `yaml:"token" doc:"Access token of the bot account."`
	CommandTokens []string `yaml:"command_tokens" kind:"secret" doc:"Tokens of the slash commands that call this program, one for each command and team."`
}

// Discord is a bot on Discord.
type Discord struct {
	Token          Secret `yaml:"token" doc:"Bot token of the Discord application. Set, the program connects to Discord; see docs/discord.md."`
	Guild          string `yaml:"guild" doc:"ID of one server (guild) whose slash commands are kept up to date; empty means global commands."`
	MessageContent bool   `yaml:"message_content" doc:"Ask for the privileged intent that lets the bot read all messages. Without it mentions, direct messages and slash commands work, a prefix does not."`
	APIURL         string `yaml:"api_url" doc:"Address of Discord's API, for tests."`
}

// validate checks what the types alone do not say.
func (c *Chat) validate(report func(key, format string, args ...any)) {
	if strings.ContainsFunc(c.Prefix, isSpace) {
		report("chat.prefix", "%q holds white space; use one or a few visible characters, for example !", c.Prefix)
	}
	if c.Name == "" || strings.ContainsFunc(c.Name, isSpace) {
		report("chat.name", "must be one word, for example petrel")
	}
	if ch := c.Terminal.DefaultChannel; !strings.HasPrefix(ch, "#") || len(ch) < 2 || strings.ContainsFunc(ch, isSpace) {
		report("chat.terminal.default_channel", "%q is not a channel; write for example \"#general\", with the quotes", ch)
	}
	if c.StillRunningAfter < 0 {
		report("chat.still_running_after", "must not be negative; write for example 60s")
	}
	if c.Slack.BotToken != "" && c.Slack.AppToken == "" && c.Slack.SigningSecret == "" {
		report("chat.slack.bot_token", "needs chat.slack.app_token (Socket Mode) or chat.slack.signing_secret (Slack calls this server) beside it")
	}
	if c.Mattermost.URL != "" && c.Mattermost.Token == "" {
		report("chat.mattermost.url", "needs chat.mattermost.token beside it: the access token of the bot account")
	}
	for key, address := range map[string]string{
		"chat.web_url": c.WebURL, "chat.slack.api_url": c.Slack.APIURL, "chat.mattermost.url": c.Mattermost.URL, "chat.discord.api_url": c.Discord.APIURL,
	} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "http")) {
			report(key, "%q is not an address; write for example https://chat.example.org", address)
		}
	}
}
