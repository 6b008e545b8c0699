package slack

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/slack-go/slack"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// attachmentText is the longest text of one attachment, as hubot-stackstorm cut
// it (spec: chatops, section 3.5).
const attachmentText = 7900

// edge is the colour of an attachment whose author wants none in particular.
var edge = map[adapters.State]string{
	adapters.StateSucceeded: "good", adapters.StateFailed: "danger", adapters.StateRefused: "warning", adapters.StateAsking: "warning",
}

// extra is extra.slack as an author writes it. Keys that are not named here are
// those of an attachment.
type extra struct {
	Color          string             `json:"color"`
	Attachments    []slack.Attachment `json:"attachments"`
	Blocks         []json.RawMessage  `json:"blocks"`
	Text           *string            `json:"text"`
	ThreadResponse bool               `json:"thread_response"`
	ThreadTS       string             `json:"thread_ts"`
	Broadcast      bool               `json:"reply_broadcast"`
	UnfurlLinks    bool               `json:"unfurl_links"`
	UnfurlMedia    bool               `json:"unfurl_media"`
	LinkNames      any                `json:"link_names"`
	Username       string             `json:"username"`
	IconEmoji      string             `json:"icon_emoji"`
	IconURL        string             `json:"icon_url"`
}

// ofMessage are the keys of extra.slack that concern the message rather than its
// attachment.
var ofMessage = []string{
	"thread_response", "thread_ts", "reply_broadcast", "unfurl_links", "unfurl_media", "link_names",
	"username", "icon_emoji", "icon_url", "mrkdwn", "parse", "channel", "as_user",
}

// renderExtra renders a message with its author's extra.slack.
func renderExtra(m adapters.Message) (rendered, error) {
	raw := m.Extra["slack"]
	if len(raw) == 0 || string(raw) == "null" {
		return render(m), nil
	}
	var x extra
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return render(m), fmt.Errorf("extra.slack must be an object: %w", err)
	}
	if err := json.Unmarshal(raw, &x); err != nil {
		return render(m), fmt.Errorf("extra.slack: %w", err)
	}
	for _, k := range ofMessage {
		delete(keys, k)
	}
	if x.Color != "" {
		m.Color = x.Color
	}
	delete(keys, "color")
	r, err := x.content(m, keys)
	if err != nil {
		return render(m), err
	}
	x.about(&r, m)
	return r, nil
}

// content is what the message shows.
func (x extra) content(m adapters.Message, keys map[string]json.RawMessage) (rendered, error) {
	controls := controlBlocks(m)
	switch {
	case x.Attachments != nil:
		r := rendered{text: calling(m), attachments: x.Attachments}
		if x.Text != nil {
			r.text = *x.Text
		}
		r.under(controls, m.Color)
		return r, nil
	case x.Blocks != nil:
		r := rendered{text: fallback(m)}
		for _, b := range x.Blocks {
			block, err := slack.BlockFromJSON(string(b))
			if err != nil {
				return r, fmt.Errorf("extra.slack.blocks: %w", err)
			}
			r.blocks = append(r.blocks, block)
		}
		r.blocks = append(r.blocks, controls...)
		if m.Color != "" {
			r.tint(m, m.Color)
		}
		return r, nil
	case len(keys) > 0:
		return attached(m, keys, controls)
	}
	return render(m), nil
}

// attached makes the message one attachment, with the author's keys over ours.
func attached(m adapters.Message, keys map[string]json.RawMessage, controls []slack.Block) (rendered, error) {
	blocks, whole := fit(m.Blocks, attachmentText)
	color := m.Color
	if color == "" {
		color = edge[m.State]
	}
	base, err := json.Marshal(map[string]any{
		"color": color, "text": mrkdwn(blocks), "fallback": fallback(m), "mrkdwn_in": []string{"text", "pretext"},
	})
	if err != nil {
		return rendered{}, err
	}
	merged := map[string]json.RawMessage{}
	if err := json.Unmarshal(base, &merged); err != nil {
		return rendered{}, err
	}
	maps.Copy(merged, keys)
	raw, err := json.Marshal(merged)
	if err != nil {
		return rendered{}, err
	}
	var a slack.Attachment
	if err := json.Unmarshal(raw, &a); err != nil {
		return rendered{}, fmt.Errorf("extra.slack: %w", err)
	}
	r := rendered{text: calling(m), attachments: []slack.Attachment{a}, whole: whole}
	r.under(controls, color)
	return r, nil
}

// under puts controls below the attachments. Blocks beside them would hide the
// text.
func (r *rendered) under(controls []slack.Block, color string) {
	if len(controls) > 0 {
		r.attachments = append(r.attachments, slack.Attachment{Color: color, Fallback: "buttons", Blocks: slack.Blocks{BlockSet: controls}})
	}
}

// about sets what concerns the message as a whole.
func (x extra) about(r *rendered, m adapters.Message) {
	if r.thread = x.ThreadTS; r.thread == "" && x.ThreadResponse {
		r.thread = m.InReplyTo
	}
	add := func(wanted bool, o slack.MsgOption) {
		if wanted {
			r.options = append(r.options, o)
		}
	}
	add(x.Broadcast, slack.MsgOptionBroadcast())
	add(x.UnfurlLinks, slack.MsgOptionEnableLinkUnfurl())
	add(!x.UnfurlLinks, slack.MsgOptionDisableLinkUnfurl())
	add(!x.UnfurlMedia, slack.MsgOptionDisableMediaUnfurl())
	add(x.LinkNames == true || x.LinkNames == float64(1), slack.MsgOptionLinkNames(true))
	add(x.Username != "", slack.MsgOptionUsername(x.Username))
	add(x.IconEmoji != "", slack.MsgOptionIconEmoji(x.IconEmoji))
	add(x.IconURL != "", slack.MsgOptionIconURL(x.IconURL))
}

// dialect is Slack's own markup, which attachments still have.
var dialect = markup.Dialect{
	Escape: escape, Bold: [2]string{"*", "*"},
	Code:  func(s string) string { return "`" + escape(s) + "`" },
	Fence: func(s string) string { return "```\n" + markup.Unfence(escape(s)) + "\n```" },
	Link: func(url, label string) string {
		if label == "" {
			return "<" + escape(url) + ">"
		}
		return "<" + escape(url) + "|" + escape(label) + ">"
	},
}

// mrkdwn renders blocks in Slack's own markup.
func mrkdwn(blocks []adapters.Block) string {
	text := ""
	for i, b := range blocks {
		if i > 0 {
			text += "\n"
		}
		switch b.Kind {
		case adapters.Heading:
			text += "*" + dialect.Plain(b.Text) + "*"
		case adapters.Preformatted:
			text += dialect.Output(b.Text)
		case adapters.Fields:
			for k, f := range b.Fields {
				if k > 0 {
					text += "\n"
				}
				text += "*" + dialect.Plain(f.Name) + ":* " + escape(f.Value)
			}
		default:
			text += dialect.Render(b.Text)
		}
	}
	return text
}
