package prompt

import (
	"strconv"
	"strings"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

// view is how one message is placed among the others; it is settled when the
// message is first shown.
type view struct {
	me      string // who reads
	channel string // named before the speaker; empty: the channel that is open
	quote   string // what is answered, when that is not just above
}

const (
	threadIndent = "  "
	bodyIndent   = "    "
	gutter       = "│ "
	quoteLength  = 48
)

// Show gives what a person reads of a message, as on a pipe, and the labels of
// its buttons.
func Show(e terminal.Entry, reader string) (text string, buttons []string) {
	if e.Message != nil {
		for _, b := range e.Message.Buttons {
			buttons = append(buttons, oneLine(b.Label))
		}
		m := *e.Message
		m.Buttons, m.Selects = nil, nil
		e.Message = &m
	}
	var out []string
	for _, r := range render(e, view{me: reader}) {
		out = append(out, r.text())
	}
	return strings.Join(out, "\n"), buttons
}

// render shows a message: one head row with the speaker and how the matter
// stands, then the rest. Pure.
func render(e terminal.Entry, v view) []row {
	indent := ""
	var rows []row
	if e.Thread != "" {
		indent = threadIndent
		if v.quote != "" {
			rows = append(rows, row{spans: []span{{indent + "↳ " + v.quote, dim}}, hang: indent + "  "})
		}
	}
	head := []span{{text: indent}}
	if v.channel != "" {
		head = append(head, span{v.channel + " ", dim})
	}
	if e.Private != "" {
		head = append(head, span{onlyTo(e.Private, v.me) + " ", dim})
	}
	who := person
	if e.From.Bot {
		who = bot
	}
	head = append(head, span{oneLine(e.From.Name), who}, span{text: ":"})
	body := content(e)
	if sign, ok := stateSign(e.Message); ok {
		head = append(head, span{text: " "}, sign)
	}
	if e.Message != nil && e.Message.Mention != "" {
		head = append(head, span{text: " "}, span{"@" + oneLine(e.Message.Mention), bold})
	}
	if len(body) > 0 && body[0].inline {
		head = append(append(head, span{text: " "}), body[0].spans...)
		body = body[1:]
	}
	rows = append(rows, row{spans: head, hang: indent + bodyIndent})
	for _, l := range body {
		lead := indent + bodyIndent + l.lead
		rows = append(rows, row{spans: append([]span{{lead, dim}}, l.spans...), hang: lead})
	}
	return rows
}

func onlyTo(who, me string) string {
	if who == me {
		return "(only you)"
	}
	return "(only " + who + ")"
}

// stateSign is a sign and not a colour alone: not everybody sees colours.
func stateSign(m *adapters.Message) (span, bool) {
	if m == nil {
		return span{}, false
	}
	switch m.State {
	case adapters.StateWorking:
		return span{"…", busy}, true
	case adapters.StateSucceeded:
		return span{"✓", good}, true
	case adapters.StateFailed:
		return span{"✗", bad}, true
	case adapters.StateRefused, adapters.StateAsking:
		return span{"?", busy}, true
	default:
		return span{}, false
	}
}

// piece is a line of a message's content.
type piece struct {
	spans  []span
	lead   string // before it, e.g. a gutter
	inline bool   // may stand on the head row, when it is the first
}

func content(e terminal.Entry) []piece {
	if e.Message == nil {
		var out []piece
		for _, l := range lines(e.Text) {
			out = append(out, piece{spans: []span{{text: l}}, inline: true})
		}
		return out
	}
	var out []piece
	for _, b := range e.Message.Blocks {
		out = append(out, pieces(b)...)
	}
	for i, f := range e.Files {
		out = append(out, fileLine(i+1, f))
	}
	out = append(out, controlLines(e.Message)...)
	return append(out, marks(e)...)
}

func fileLine(n int, f terminal.FileInfo) piece {
	text := " " + oneLine(f.Name) + " (" + sizeOf(f.Size) + ")"
	if f.Title != "" && f.Title != f.Name {
		text += " " + oneLine(f.Title)
	}
	return piece{spans: []span{{"[file " + strconv.Itoa(n) + "]", bold}, {text, plain}}}
}

// sizeOf is a size for people.
func sizeOf(n int) string {
	switch {
	case n < 1000:
		return strconv.Itoa(n) + " bytes"
	case n < 1000_000:
		return strconv.FormatFloat(float64(n)/1000, 'f', 1, 64) + " kB"
	}
	return strconv.FormatFloat(float64(n)/1000_000, 'f', 1, 64) + " MB"
}

// marks is what others did to a message.
func marks(e terminal.Entry) []piece {
	var out []string
	for _, r := range e.Reactions {
		out = append(out, ":"+oneLine(r)+":")
	}
	if e.Pinned {
		out = append(out, "pinned")
	}
	if out == nil {
		return nil
	}
	return []piece{{spans: []span{{strings.Join(out, " "), dim}}}}
}

func pieces(b adapters.Block) []piece {
	var out []piece
	switch b.Kind {
	case adapters.Fields:
		for _, f := range b.Fields {
			out = append(out, field(f)...)
		}
	case adapters.Heading:
		out = append(out, piece{spans: []span{{oneLine(b.Text), bold}}, inline: true})
	case adapters.Preformatted:
		out = preformatted(b.Text)
	default:
		out = paragraph(b.Text)
	}
	return out
}

func preformatted(text string) []piece {
	var out []piece
	for _, l := range lines(text) {
		out = append(out, piece{spans: []span{{text: l}}, lead: gutter})
	}
	return out
}

// paragraph shows fenced parts of chat Markdown like output of programs. A fence
// that is never closed ends with the paragraph.
func paragraph(text string) []piece {
	var out []piece
	fenced := false
	for _, l := range lines(text) {
		if strings.HasPrefix(strings.TrimSpace(l), "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			out = append(out, piece{spans: []span{{text: l}}, lead: gutter})
			continue
		}
		out = append(out, piece{spans: markup(l), inline: true})
	}
	return out
}

func field(f adapters.Field) []piece {
	name, values := oneLine(f.Name), lines(f.Value)
	out := []piece{{spans: []span{{name + ":", bold}, {" " + values[0], plain}}}}
	for _, v := range values[1:] {
		out = append(out, piece{spans: []span{{text: v}}, lead: "  "})
	}
	return out
}

// quoteOf is a message in a few words.
func quoteOf(e terminal.Entry) string {
	e.Thread, e.Private = "", ""
	return shorten(render(e, view{})[0].text(), quoteLength)
}

// changes shows what an edit changed: the head if it differs, and the lines of
// the body that are new. prev and next are renderings of the same view.
func changes(prev, next []row, v view, adjacent bool) []row {
	skip := 0
	if v.quote != "" {
		skip = 1
	}
	prev, next = prev[min(skip, len(prev)):], next[skip:]
	headSame := len(prev) > 0 && prev[0].text() == next[0].text()
	fresh := newRows(prev, next)
	if headSame && len(fresh) == 0 {
		return nil
	}
	if headSame && adjacent {
		return fresh
	}
	head := next[0]
	if headSame {
		head = row{spans: speakerOf(next[0]), hang: next[0].hang}
	}
	head.spans = insertEdited(head.spans)
	return append([]row{head}, fresh...)
}

// newRows are the rows below the head without those that were there before, at
// the beginning and at the end.
func newRows(prev, next []row) []row {
	if len(prev) > 0 {
		prev = prev[1:]
	}
	next = next[1:]
	for len(prev) > 0 && len(next) > 0 && prev[0].text() == next[0].text() {
		prev, next = prev[1:], next[1:]
	}
	for len(prev) > 0 && len(next) > 0 && prev[len(prev)-1].text() == next[len(next)-1].text() {
		prev, next = prev[:len(prev)-1], next[:len(next)-1]
	}
	return next
}

// speakerOf is a head row up to the speaker's colon.
func speakerOf(head row) []span {
	for i, s := range head.spans {
		if s.style == person || s.style == bot {
			return append([]span(nil), head.spans[:i+2]...)
		}
	}
	return head.spans
}

func insertEdited(spans []span) []span {
	var out []span
	for _, s := range spans {
		out = append(out, s)
		if s.style == person || s.style == bot {
			out = append(out, span{" (edited)", dim})
		}
	}
	return out
}
