package discord

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bwmarrin/discordgo"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// Discord's limits (docs, resources/message and components/reference), in
// characters unless said otherwise.
const (
	contentText   = 2000
	embedText     = 4096
	buttonLabel   = 80
	selectOptions = 25
	selectHint    = 150
	optionText    = 100
	customID      = 100
	componentRows = 5
	rowButtons    = 5
	maxFiles      = 10
	maxFile       = 10 << 20 // bytes
	maxUpload     = 24 << 20 // bytes of all files of a message
	nonceLength   = 25
)

// Marks within the IDs of components that this package had to make from those it
// was given. They are no characters of IDs that programs make.
const (
	partMark   = "\u2063" // a second menu of one select; between the choice and the ID
	optionMark = "\u2062" // a button that stands for an option
)

// rendered is a message as Discord takes it.
type rendered struct {
	payload map[string]any
	files   []*discordgo.File
}

// render makes a message. What answers a command carries its key, where Send
// finds it again (see answer).
func render(m adapters.Message) rendered {
	h, given := parseHandle(m.To.Reply)
	marked := given && h.own && m.Key != ""
	text, whole := fit(m.Blocks, embedText)
	files, notes := attachments(m.Files)
	if !whole {
		files = append(files, &discordgo.File{Name: "message.txt", ContentType: "text/plain; charset=utf-8", Reader: strings.NewReader(wholeText(m.Blocks))})
	}
	rows, crowded := components(m)
	text = withNotes(text, append(notes, crowded...), embedText)
	mention := mentionOf(m)
	if text == "" && (marked || mention == "" && len(files)+len(rows) == 0) {
		text = "(empty)" // Discord takes no message without anything in it
	}
	payload := map[string]any{"content": mention, "embeds": []any{}, "components": rows, "allowed_mentions": mentions(m.Mention)}
	together := strings.TrimSpace(mention + " " + text)
	switch color := colorOf(m); {
	case text == "":
	case color < 0 && !marked && utf8.RuneCountInString(together) <= contentText:
		payload["content"] = together
	default:
		embed := map[string]any{"description": text}
		if color >= 0 {
			embed["color"] = color
		}
		payload["embeds"] = []any{embed}
	}
	addExtra(payload, m.Extra["discord"], colorOf(m))
	if embeds, _ := payload["embeds"].([]any); marked && len(embeds) > 0 {
		if first, ok := embeds[0].(map[string]any); ok && first["url"] == nil && first["title"] == nil {
			first["url"] = keyAddress(m.Key)
		}
	}
	return rendered{payload: payload, files: files}
}

// renderBare makes a message of text and buttons alone, for channels in which the
// bot may neither embed nor attach anything.
func renderBare(m adapters.Message) rendered {
	mention := mentionOf(m)
	room := contentText - utf8.RuneCountInString(mention) - 1
	text, _ := fit(m.Blocks, room)
	var notes []string
	if len(m.Files) > 0 {
		notes = append(notes, fmt.Sprintf("%d files are left out: I may not attach files here.", len(m.Files)))
	}
	rows, crowded := components(m)
	text = withNotes(text, append(notes, crowded...), room)
	if text == "" {
		text = "(empty)"
	}
	return rendered{payload: map[string]any{
		"content": strings.TrimSpace(mention + " " + text), "embeds": []any{}, "components": rows, "allowed_mentions": mentions(m.Mention),
	}}
}

// withNotes puts lines about what is not shown below a text.
func withNotes(text string, notes []string, limit int) string {
	text = strings.TrimSpace(text)
	for _, n := range notes {
		text = strings.TrimSpace(short(text, limit-utf8.RuneCountInString(n)-1) + "\n" + n)
	}
	return text
}

func mentionOf(m adapters.Message) string {
	if m.Mention == "" {
		return ""
	}
	return "<@" + m.Mention + ">"
}

// mentions allows exactly one person to be notified, or nobody.
func mentions(person string) map[string]any {
	users := []string{}
	if person != "" {
		users = append(users, person)
	}
	return map[string]any{"parse": []string{}, "users": users, "replied_user": false}
}

// colorOf is the edge of a message; -1 is none.
func colorOf(m adapters.Message) int {
	if n, err := strconv.ParseUint(strings.TrimPrefix(m.Color, "#"), 16, 24); err == nil && m.Color != "" {
		return int(n)
	}
	switch m.State {
	case adapters.StateWorking:
		return 0x3498db
	case adapters.StateSucceeded:
		return 0x2ecc71
	case adapters.StateFailed:
		return 0xe74c3c
	case adapters.StateRefused:
		return 0xf39c12
	case adapters.StateAsking:
		return 0x9b59b6
	}
	return -1
}

// fit renders blocks in at most limit characters. What is too long loses its
// middle, the longest block first; whole reports that nothing was lost.
func fit(blocks []adapters.Block, limit int) (text string, whole bool) {
	blocks = append([]adapters.Block(nil), blocks...)
	text, whole = renderBlocks(blocks), true
	for range 64 {
		over := utf8.RuneCountInString(text) - limit
		if over <= 0 {
			return text, whole
		}
		whole = false
		longest, size := 0, -1
		for i, b := range blocks {
			if n := utf8.RuneCountInString(renderBlock(b)); n > size {
				longest, size = i, n
			}
		}
		b := &blocks[longest]
		if b.Kind == adapters.Fields {
			*b = adapters.Block{Kind: adapters.Preformatted, Text: wholeText([]adapters.Block{*b})}
			continue
		}
		raw := utf8.RuneCountInString(b.Text)
		keep := raw * (size - over) / size
		if keep < 100 {
			keep = raw / 2
		}
		b.Text, _ = markup.HeadTail(b.Text, min(keep, raw-1))
		text = renderBlocks(blocks)
	}
	return short(text, limit), whole
}

func renderBlocks(blocks []adapters.Block) string {
	parts := make([]string, 0, len(blocks))
	for _, b := range blocks {
		if s := renderBlock(b); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "\n")
}

func renderBlock(b adapters.Block) string {
	switch b.Kind {
	case adapters.Preformatted:
		if strings.TrimSpace(b.Text) == "" {
			return ""
		}
		return plainDialect.Output(b.Text)
	case adapters.Heading:
		if s := plainDialect.Plain(b.Text); s != "" {
			return "**" + s + "**"
		}
		return ""
	case adapters.Fields:
		lines := make([]string, len(b.Fields))
		for i, f := range b.Fields {
			lines[i] = "**" + plainDialect.Plain(f.Name) + "**: " + plainDialect.Plain(f.Value)
		}
		return strings.Join(lines, "\n")
	}
	return plainDialect.Render(b.Text)
}

// wholeText is a message as a file of plain text.
func wholeText(blocks []adapters.Block) string {
	var out strings.Builder
	for _, b := range blocks {
		for _, f := range b.Fields {
			out.WriteString(markup.OneLine(f.Name) + ": " + markup.OneLine(f.Value) + "\n")
		}
		if b.Text != "" {
			out.WriteString(markup.Clean(b.Text) + "\n")
		}
	}
	s := out.String()
	if len(s) > maxFile {
		s, _ = markup.HeadTail(s, maxFile/4) // a character has up to four bytes
	}
	return s
}

// attachments returns the files that Discord takes, and a line for each other.
func attachments(all []adapters.File) (files []*discordgo.File, dropped []string) {
	total := 0
	for _, f := range all {
		name := markup.OneLine(f.Name)
		if name == "" {
			name = "file.txt"
		}
		total += len(f.Content)
		if len(f.Content) > maxFile || total > maxUpload || len(files) == maxFiles-1 {
			total -= len(f.Content)
			dropped = append(dropped, fmt.Sprintf("%s (%d bytes) is too much for Discord and was left out.", escape(name), len(f.Content)))
			continue
		}
		files = append(files, &discordgo.File{Name: name, Reader: strings.NewReader(string(f.Content))})
	}
	return files, dropped
}

// components are the menus and buttons of a message, and a line for what there
// is no room for.
func components(m adapters.Message) (rows []any, notes []string) {
	rows = []any{}
	used := map[string]bool{}
	for _, s := range m.Selects {
		for from := 0; from < len(s.Options); from += selectOptions {
			id := s.ID
			if from > 0 {
				id += partMark + strconv.Itoa(from)
			}
			if len(rows) == componentRows || used[id] || utf8.RuneCountInString(id) > customID {
				notes = append(notes, fmt.Sprintf("%d options of %s cannot be shown here.", len(s.Options)-from, plainDialect.Plain(s.Label)))
				break
			}
			used[id] = true
			rows = append(rows, actionRow(menu(id, s.Label, s.Options[from:min(from+selectOptions, len(s.Options))])))
		}
	}
	var row []any
	left := 0
	for _, b := range m.Buttons {
		if len(rows) == componentRows || used[b.ID] {
			left++
			continue
		}
		used[b.ID] = true
		if row = append(row, button(b)); len(row) == rowButtons {
			rows, row = append(rows, actionRow(row...)), nil
		}
	}
	if row != nil {
		rows = append(rows, actionRow(row...))
	}
	if left > 0 {
		notes = append(notes, fmt.Sprintf("%d buttons cannot be shown here.", left))
	}
	return rows, notes
}

func actionRow(parts ...any) any { return map[string]any{"type": 1, "components": parts} }

func menu(id, label string, options []adapters.Option) any {
	list := make([]any, len(options))
	for i, o := range options {
		list[i] = map[string]any{"label": labelText(o.Label, o.Value, optionText), "value": o.Value}
	}
	return map[string]any{"type": 3, "custom_id": id, "placeholder": markup.Shorten(markup.OneLine(label), selectHint), "options": list}
}

func button(b adapters.Button) any {
	style := 2
	switch b.Style {
	case "primary":
		style = 1
	case "danger":
		style = 4
	}
	return map[string]any{"type": 2, "style": style, "label": labelText(b.Label, b.ID, buttonLabel), "custom_id": pressID(b)}
}

func labelText(label, other string, limit int) string {
	for _, s := range []string{label, other} {
		if s = markup.OneLine(s); s != "" {
			return markup.Shorten(s, limit)
		}
	}
	return "-"
}

// own are the keys of extra.discord that belong to the message; others belong to
// its embed. Whom a message may notify is not the author's to say.
var own = map[string]bool{"content": true, "embeds": true, "components": true, "flags": true, "tts": true, "sticker_ids": true, "poll": true}

// addExtra merges an author's extra.discord.
func addExtra(payload map[string]any, raw json.RawMessage, color int) {
	var extra map[string]any
	if json.Unmarshal(raw, &extra) != nil || len(extra) == 0 {
		return
	}
	ofEmbed := map[string]any{}
	for k, v := range extra {
		switch {
		case own[k]:
			payload[k] = v
		case k != "allowed_mentions" && k != "nonce" && k != "enforce_nonce" && k != "message_reference":
			ofEmbed[k] = v
		}
	}
	if c, ok := ofEmbed["color"].(string); ok {
		if n, err := strconv.ParseUint(strings.TrimPrefix(c, "#"), 16, 24); err == nil {
			ofEmbed["color"] = n
		} else {
			delete(ofEmbed, "color")
		}
	}
	embeds, _ := payload["embeds"].([]any)
	if len(ofEmbed) == 0 {
		return
	}
	if len(embeds) == 0 {
		embed := map[string]any{"description": payload["content"]}
		if color >= 0 {
			embed["color"] = color
		}
		embeds, payload["content"] = []any{embed}, ""
	}
	if first, ok := embeds[0].(map[string]any); ok {
		maps.Copy(first, ofEmbed)
	}
	payload["embeds"] = embeds
}

// nonce is by which Discord knows a message that is posted twice.
func nonce(key string) string { return digest("nonce", key)[:nonceLength] }

// keyAddress marks a message that Discord gives no nonce: the address of an
// embed without a title is kept and not shown.
func keyAddress(key string) string {
	return "https://petrel.invalid/" + strings.ToLower(digest("key", key)[:26])
}

func digest(kind, key string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + key))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
}
