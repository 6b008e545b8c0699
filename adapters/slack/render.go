package slack

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// Limits of messages.
const (
	// textBudget is the characters of a message: Slack refuses more than about
	// 13,200 over all blocks, although each is within its limit.
	textBudget   = 12_000
	blockText    = 3000 // of one block
	maxBlocks    = 50
	fallbackText = 1000 // what notifications show
	buttonText   = 75
	rowLength    = 5  // buttons in a row, as long as there is room for more rows
	maxRow       = 25 // elements of one actions block
	confirmText  = 300
	placeholder  = 150
)

// What stands before the name of ours in an action_id.
const (
	buttonPrefix = "b:"
	selectPrefix = "s" // and ":", or "2:" for its second list
)

// emoji shows how a matter stands.
var emoji = map[adapters.State]string{
	adapters.StateWorking: "hourglass_flowing_sand", adapters.StateSucceeded: "white_check_mark",
	adapters.StateFailed: "x", adapters.StateRefused: "no_entry", adapters.StateAsking: "question",
}

// rendered is a message as Slack takes it.
type rendered struct {
	text        string // what notifications show; above attachments it is shown itself
	blocks      []slack.Block
	attachments []slack.Attachment
	thread      string // that the author asks for
	options     []slack.MsgOption
	whole       *adapters.File // everything, when the message shows only its beginning and end
}

// render makes of a message what Slack shows. Text is sent as rich_text, which
// Slack does not parse: nothing in it can be markup or call anybody.
func render(m adapters.Message) rendered {
	controls := controlBlocks(m)
	r := rendered{text: fallback(m), options: []slack.MsgOption{slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}}
	blocks, whole := fit(m.Blocks, max(textBudget-controlSize(m), textBudget/4))
	r.whole = whole
	r.blocks = append(richText(lead(m, true), blocks, maxBlocks-len(controls)), controls...)
	if m.Color != "" {
		r.tint(m, m.Color)
	}
	return r
}

// tint puts the blocks behind a coloured edge. People are called from outside of
// it, where Slack notifies them.
func (r *rendered) tint(m adapters.Message, color string) {
	r.attachments = []slack.Attachment{{Color: color, Fallback: r.text, Blocks: slack.Blocks{BlockSet: r.blocks}}}
	r.blocks, r.text = nil, calling(m)
}

// calling is the text that addresses a person.
func calling(m adapters.Message) string {
	if m.Mention == "" {
		return ""
	}
	return "<@" + escape(m.Mention) + ">"
}

var entitiesOf = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape makes text harmless in a text that Slack parses.
func escape(s string) string { return entitiesOf.Replace(markup.Clean(s)) }

// fallback is the message in short, for notifications.
func fallback(m adapters.Message) string {
	text := escape(markup.Shorten(strings.TrimSpace(plainText(m.Blocks)), fallbackText))
	if text == "" {
		for _, f := range m.Files {
			text += escape(markup.OneLine(f.Name)) + " "
		}
		for _, b := range m.Buttons {
			text += "[" + escape(markup.OneLine(b.Label)) + "] "
		}
	}
	return strings.TrimSpace(calling(m) + " " + text)
}

// plainText is everything a message says, without markup.
func plainText(blocks []adapters.Block) string {
	var parts []string
	for _, b := range blocks {
		if b.Kind != adapters.Fields {
			parts = append(parts, strings.Trim(markup.Clean(b.Text), "\n"))
			continue
		}
		for _, f := range b.Fields {
			parts = append(parts, markup.OneLine(f.Name)+": "+markup.Clean(f.Value))
		}
	}
	return strings.Join(parts, "\n")
}

// lead is what stands before a message: how the matter stands, who is meant.
func lead(m adapters.Message, mention bool) []slack.RichTextSectionElement {
	var elements []slack.RichTextSectionElement
	if name := emoji[m.State]; name != "" {
		elements = append(elements, slack.NewRichTextSectionEmojiElement(name, 0, nil), textElement(" ", nil))
	}
	if mention && m.Mention != "" && m.Color == "" {
		elements = append(elements, slack.NewRichTextSectionUserElement(m.Mention, nil), textElement(" ", nil))
	}
	return elements
}

func textElement(s string, style *slack.RichTextSectionTextStyle) *slack.RichTextSectionTextElement {
	return slack.NewRichTextSectionTextElement(s, style)
}

// richText renders blocks: one Slack block for each, or fewer when there would be
// more than limit. first stands before the first text.
func richText(first []slack.RichTextSectionElement, blocks []adapters.Block, limit int) []slack.Block {
	w := &richWriter{section: first, size: len(first)}
	// A long text adds a block for every 3,000 characters.
	dense := len(blocks)+textBudget/blockText+2 > limit
	for i, b := range blocks {
		w.block(b)
		if dense && i < len(blocks)-1 {
			w.endSection()
		} else if b.Kind != adapters.Heading {
			w.flush()
		} else {
			w.endSection()
		}
	}
	w.flush()
	return w.blocks
}

// richWriter puts elements into rich_text blocks of at most blockText characters.
type richWriter struct {
	blocks   []slack.Block
	elements []slack.RichTextElement
	section  []slack.RichTextSectionElement
	size     int
}

var (
	boldStyle = &slack.RichTextSectionTextStyle{Bold: true}
	codeStyle = &slack.RichTextSectionTextStyle{Code: true}
)

func (w *richWriter) block(b adapters.Block) {
	switch b.Kind {
	case adapters.Heading:
		w.text(markup.OneLine(b.Text), boldStyle)
	case adapters.Preformatted:
		w.preformatted(markup.Clean(b.Text))
	case adapters.Fields:
		for i, f := range b.Fields {
			if i > 0 {
				w.text("\n", nil)
			}
			w.text(markup.OneLine(f.Name)+":", boldStyle)
			w.text(" "+strings.TrimSpace(markup.Clean(f.Value)), nil)
		}
	default:
		w.paragraph(b.Text)
	}
}

func (w *richWriter) paragraph(s string) {
	for _, span := range markup.Parse(s) {
		switch span.Kind {
		case markup.Bold:
			w.text(span.Text, boldStyle)
		case markup.Code:
			w.text(span.Text, codeStyle)
		case markup.Fence:
			w.preformatted(span.Text)
		case markup.Link:
			size := utf8.RuneCountInString(span.Text + span.Label)
			w.room(size)
			w.section = append(w.section, slack.NewRichTextSectionLinkElement(span.Text, span.Label, nil))
			w.size += size
		default:
			w.text(span.Text, nil)
		}
	}
}

// text adds text to the section that is being written.
func (w *richWriter) text(s string, style *slack.RichTextSectionTextStyle) {
	for s != "" {
		var piece string
		piece, s = w.piece(s)
		w.section = append(w.section, textElement(piece, style))
	}
}

// preformatted adds output as a box of its own.
func (w *richWriter) preformatted(s string) {
	s = strings.Trim(s, "\n")
	w.endSection()
	for s != "" {
		var piece string
		piece, s = w.piece(s)
		piece = strings.TrimRight(piece, "\n")
		if piece == "" {
			continue
		}
		w.elements = append(w.elements, &slack.RichTextPreformatted{
			Type: slack.RTEPreformatted, Elements: []slack.RichTextSectionElement{textElement(piece, nil)},
		})
	}
}

// piece cuts off what fits into the present block; when hardly anything does, a
// new one begins.
func (w *richWriter) piece(s string) (piece, rest string) {
	size := utf8.RuneCountInString(s)
	if size > blockText-w.size && w.size > blockText/2 {
		w.flush()
	}
	room := blockText - w.size
	if size > room {
		s, rest = cut(s, room)
		size = utf8.RuneCountInString(s)
	}
	w.size += size
	if rest != "" {
		defer w.flushAfter()
	}
	return s, rest
}

// flushAfter makes the next piece begin a new block.
func (w *richWriter) flushAfter() { w.size = blockText }

// room makes sure that something of a size fits.
func (w *richWriter) room(size int) {
	if w.size+size > blockText {
		w.flush()
	}
}

func (w *richWriter) endSection() {
	if len(w.section) > 0 {
		w.elements = append(w.elements, slack.NewRichTextSection(w.section...))
		w.section = nil
	}
}

func (w *richWriter) flush() {
	w.endSection()
	if len(w.elements) > 0 {
		w.blocks = append(w.blocks, slack.NewRichTextBlock("", w.elements...))
	}
	w.elements, w.size = nil, 0
}

// cut splits a text after at most n characters, at the end of a line or a word
// where there is one in the second half.
func cut(s string, n int) (head, rest string) {
	end, half, i := len(s), len(s), 0
	for at := range s {
		if i == n/2 {
			half = at
		}
		if i == n {
			end = at
			break
		}
		i++
	}
	for _, mark := range []string{"\n", " "} {
		if at := strings.LastIndex(s[:end], mark); at >= half {
			return s[:at+1], s[at+1:]
		}
	}
	return s[:end], s[end:]
}

// controlSize is the characters of a message's controls.
func controlSize(m adapters.Message) (n int) {
	for _, b := range m.Buttons {
		n += min(utf8.RuneCountInString(b.Label), buttonText)
	}
	for _, s := range m.Selects {
		for _, o := range s.Options {
			n += min(utf8.RuneCountInString(o.Label), optionText)
		}
	}
	return n
}

// controlBlocks are the selects and buttons of a message.
func controlBlocks(m adapters.Message) []slack.Block {
	var selects, buttons []slack.BlockElement
	for _, s := range m.Selects {
		selects = append(selects, selectElements(s)...)
	}
	for i, b := range m.Buttons {
		buttons = append(buttons, buttonElement(i, b))
	}
	return append(rows(selects), rows(buttons)...)
}

// rows puts controls into blocks.
func rows(elements []slack.BlockElement) []slack.Block {
	length := rowLength
	if len(elements) > maxRow {
		length = maxRow
	}
	var blocks []slack.Block
	for len(elements) > 0 {
		n := min(length, len(elements))
		blocks = append(blocks, slack.NewActionBlock("", elements[:n]...))
		elements = elements[n:]
	}
	return blocks
}

func buttonElement(i int, b adapters.Button) slack.BlockElement {
	e := slack.NewButtonBlockElement(fmt.Sprint(buttonPrefix, i), b.ID, label(b.Label, buttonText))
	if b.Style == "primary" || b.Style == "danger" {
		e.Style = slack.Style(b.Style)
	}
	if b.Confirm != "" {
		e.Confirm = slack.NewConfirmationBlockObject(label("Are you sure?", 100), label(b.Confirm, confirmText), label("Yes", 30), label("No", 30))
	}
	return e
}

// selectElements makes one list of a select, or several when it has more options
// than fit.
func selectElements(s adapters.Select) []slack.BlockElement {
	var lists []slack.BlockElement
	for part := 0; part*maxOptions < len(s.Options); part++ {
		var options []*slack.OptionBlockObject
		for _, o := range s.Options[part*maxOptions : min((part+1)*maxOptions, len(s.Options))] {
			options = append(options, slack.NewOptionBlockObject(o.Value, label(o.Label, optionText), nil))
		}
		name, id := s.Label, selectPrefix+":"+s.ID
		if part > 0 {
			name, id = fmt.Sprintf("%s (%d)", name, part+1), fmt.Sprintf("%s%d:%s", selectPrefix, part+1, s.ID)
		}
		lists = append(lists, slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, label(name, placeholder), id, options...))
	}
	return lists
}

var ofSelect = regexp.MustCompile("^" + selectPrefix + `\d*:`)

// selectID is the Select.ID in an action_id.
func selectID(actionID string) string {
	return actionID[len(ofSelect.FindString(actionID)):]
}
