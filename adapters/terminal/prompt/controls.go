package prompt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

// control is what can be pressed under a message: a button, or one option of a
// select. They are numbered from 1, the buttons first.
type control struct {
	label   string
	style   style
	confirm string
	button  string // ID of the button or select
	choice  string // value of the option
}

func controlsOf(m *adapters.Message) []control {
	if m == nil {
		return nil
	}
	var out []control
	for _, b := range m.Buttons {
		st := bold
		switch b.Style {
		case "danger":
			st = bad
		case "primary":
			st = good
		}
		out = append(out, control{label: oneLine(b.Label), style: st, confirm: oneLine(b.Confirm), button: b.ID})
	}
	for _, s := range m.Selects {
		for _, o := range s.Options {
			out = append(out, control{label: oneLine(o.Label), style: bold, button: s.ID, choice: o.Value})
		}
	}
	return out
}

// controlLines shows the buttons on one line and each select on one more.
func controlLines(m *adapters.Message) []piece {
	all := controlsOf(m)
	var out []piece
	take := func(n int, lead ...span) {
		spans := lead
		for i, c := range all[:n] {
			if i > 0 {
				spans = append(spans, span{text: "  "})
			}
			number := len(controlsOf(m)) - len(all) + i + 1
			spans = append(spans, span{"[" + strconv.Itoa(number) + "]", c.style}, span{" " + c.label, plain})
		}
		out = append(out, piece{spans: spans})
		all = all[n:]
	}
	if len(m.Buttons) > 0 {
		take(len(m.Buttons))
	}
	for _, s := range m.Selects {
		take(len(s.Options), span{oneLine(s.Label) + ":", bold}, span{text: " "})
	}
	return out
}

// pressable is the last message that has buttons or selects, nil if there is
// none.
func (c *conversation) pressable() *block {
	for _, b := range slices.Backward(c.blocks) {
		if len(controlsOf(b.entry.Message)) > 0 {
			return b
		}
	}
	return nil
}

func (c *conversation) press(n int) {
	b := c.pressable()
	if b == nil {
		c.misunderstood("there are no buttons to press")
		return
	}
	all := controlsOf(b.entry.Message)
	if n < 1 || n > len(all) {
		c.misunderstood(fmt.Sprintf("there is no button %d: 1 to %d", n, len(all)))
		return
	}
	chosen := all[n-1]
	press := func() {
		c.note(fmt.Sprintf("%s presses %s on: %s", c.me, chosen.label, quoteOf(b.entry)))
		c.ask(terminal.Request{Do: terminal.DoPress, As: c.me, ID: b.entry.ID, Button: chosen.button, Choice: chosen.choice})
	}
	if chosen.confirm == "" {
		press()
		return
	}
	c.note(chosen.confirm + " Say yes, or anything else for no.")
	c.dialog = &question{
		prompt: chosen.label + "? ",
		answer: func(line string) dialog {
			if isYes(line) {
				press()
			} else {
				c.misunderstood(chosen.label + ": not pressed")
			}
			return nil
		},
	}
}

func isYes(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "y", "yes":
		return true
	}
	return false
}
