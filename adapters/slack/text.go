package slack

import (
	"context"
	"regexp"
	"strings"
)

// token is what Slack puts between angle brackets: <@U1>, <#C1|ops>,
// <https://x.example|label>, <!here>.
var token = regexp.MustCompile(`<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>`)

// typed are characters that Slack's clients and phones put in the place of what
// was typed.
var typed = strings.NewReplacer("“", `"`, "”", `"`, "„", `"`, "‘", "'", "’", "'", "\u00a0", " ")

var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")

// namer knows the names behind IDs.
type namer interface {
	personName(ctx context.Context, id string) string
	channelName(ctx context.Context, id string) string
}

// plain gives the text of a message as it was typed: without Slack's marks for
// people, channels and links, and without mentions of the bot, which it reports.
func plain(ctx context.Context, text, bot string, names namer) (string, bool) {
	mentioned := false
	text = token.ReplaceAllStringFunc(typed.Replace(text), func(whole string) string {
		m := token.FindStringSubmatch(whole)
		kind, what, label := m[1], m[2], m[3]
		switch kind {
		case "@":
			if what == bot && bot != "" {
				mentioned = true
				return ""
			}
			if label == "" {
				label = names.personName(ctx, what)
			}
			return "@" + label
		case "#":
			if label == "" {
				label = strings.TrimPrefix(names.channelName(ctx, what), "#")
			}
			return "#" + label
		case "!":
			return broadcast(what, label)
		}
		return typedLink(whole, what, label)
	})
	text = entities.Replace(text)
	if mentioned {
		text = strings.TrimSpace(text)
	}
	return text, mentioned
}

// broadcast is what was typed for <!here>, <!subteam^S1|@team>, <!date^...|x>.
func broadcast(what, label string) string {
	name, _, special := strings.Cut(what, "^")
	switch {
	case label != "":
		return label
	case special:
		return "@" + name
	}
	return "@" + what
}

// typedLink is what was typed for <url> or <url|label>. Slack makes a link of
// "example.com" by itself; then the label is what was typed.
func typedLink(whole, url, label string) string {
	scheme, rest, ok := strings.Cut(url, ":")
	switch {
	case !ok || strings.ContainsAny(scheme, " /"):
		return whole // never was Slack's
	case label == "":
		return url
	case strings.TrimPrefix(rest, "//") == label || scheme == "tel":
		return label
	}
	return url
}
