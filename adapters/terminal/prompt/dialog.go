package prompt

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

// dialog takes the lines to come, in place of the room, until it is done.
type dialog interface {
	ask() string             // the prompt of the next line
	line(text string) dialog // who takes the line after this one; nil: the room
}

// question is a dialog of one line.
type question struct {
	prompt string
	answer func(line string) dialog
}

func (q *question) ask() string             { return q.prompt }
func (q *question) line(text string) dialog { return q.answer(text) }

// form asks for the fields of a form, one after the other, and sends it.
type form struct {
	c      *conversation
	about  terminal.Request // the request that opened it
	id     string           // of the message that the submission is about
	form   *adapters.Form
	values map[string]string
	todo   []adapters.Input // the first one is asked for now
	area   []string         // lines of a field of several lines
}

// open shows a form and asks for its first field.
func (c *conversation) open(f *adapters.Form, about terminal.Request, id string) {
	d := &form{c: c, about: about, id: id, form: f, values: map[string]string{}, todo: slices.Clone(f.Inputs)}
	for _, in := range f.Inputs {
		d.values[in.Name] = in.Value
	}
	if len(d.todo) == 0 {
		d.submit()
		return
	}
	c.begin(d)
	text := oneLine(f.Title)
	if f.Text != "" {
		text += "\n" + f.Text
	}
	c.note(text + "\nAn empty line keeps what stands in [brackets]; /back goes back, /cancel gives it up.")
	d.explain()
}

// again asks for the fields of a refused form that were wrong.
func (d *form) again(problems map[string]string) {
	d.todo = slices.DeleteFunc(slices.Clone(d.form.Inputs), func(in adapters.Input) bool { return problems[in.Name] == "" })
	if len(d.todo) == 0 {
		d.todo = slices.Clone(d.form.Inputs)
	}
	if len(d.todo) == 0 {
		return
	}
	d.c.begin(d)
	for _, in := range d.form.Inputs {
		if problems[in.Name] != "" {
			d.c.note(oneLine(in.Label) + ": " + problems[in.Name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(problems)) {
		if !slices.ContainsFunc(d.form.Inputs, func(in adapters.Input) bool { return in.Name == name }) {
			d.c.note(problems[name])
		}
	}
	d.explain()
}

// explain shows what may be written into the present field.
func (d *form) explain() {
	if len(d.todo) == 0 {
		return
	}
	in := d.todo[0]
	var text []string
	if in.Help != "" {
		text = append(text, oneLine(in.Label)+": "+in.Help)
	}
	if in.Kind == adapters.ChoiceInput {
		var options []string
		for i, o := range in.Options {
			options = append(options, strconv.Itoa(i+1)+" "+oneLine(o.Label))
		}
		text = append(text, strings.Join(options, ", "))
	}
	if in.Kind == adapters.AreaInput {
		text = append(text, "Several lines; a line with a single dot ends them.")
	}
	if text != nil {
		d.c.note(strings.Join(text, "\n"))
	}
}

func (d *form) ask() string {
	in := d.todo[0]
	text := oneLine(in.Label)
	if in.Required {
		text += "*"
	}
	if v := d.shown(in); v != "" {
		text += " [" + shorten(oneLine(v), quoteLength) + "]"
	}
	if in.Kind == adapters.BooleanInput {
		text += " (yes or no)"
	}
	if len(d.area) > 0 {
		text = "..."
	}
	return text + ": "
}

// shown is the present value of a field as people call it.
func (d *form) shown(in adapters.Input) string {
	v := d.values[in.Name]
	switch in.Kind {
	case adapters.ChoiceInput:
		for _, o := range in.Options {
			if o.Value == v {
				return o.Label
			}
		}
	case adapters.BooleanInput:
		if v == "true" {
			return "yes"
		}
		return "no"
	}
	return v
}

func (d *form) line(text string) dialog {
	in := d.todo[0]
	switch trimmed := strings.TrimSpace(text); {
	case trimmed == "/cancel" || trimmed == "/quit":
		d.c.misunderstood(oneLine(d.form.Title) + ": given up, nothing was sent")
		return nil
	case trimmed == "/back":
		d.todo, d.area = slices.Clone(d.form.Inputs), nil
		d.explain()
		return d
	case in.Kind == adapters.AreaInput:
		if !d.takeLine(in, text) {
			return d
		}
	case trimmed != "":
		v, problem := read(in, trimmed)
		if problem != "" {
			d.c.note(problem)
			return d
		}
		d.values[in.Name] = v
	}
	if in.Required && d.values[in.Name] == "" {
		d.c.note(oneLine(in.Label) + " is required")
		return d
	}
	if in.Kind == adapters.BooleanInput && d.values[in.Name] == "" {
		d.values[in.Name] = "false"
	}
	if d.todo = d.todo[1:]; len(d.todo) > 0 {
		d.explain()
		return d
	}
	d.submit()
	return nil
}

// takeLine takes a line of a field of several lines, and reports whether it was
// the last one.
func (d *form) takeLine(in adapters.Input, text string) bool {
	switch {
	case text == "" && len(d.area) == 0:
		return true
	case text != ".":
		d.area = append(d.area, text)
		return false
	}
	if len(d.area) > 0 {
		d.values[in.Name] = strings.Join(d.area, "\n")
	}
	d.area = nil
	return true
}

// read makes a value of what was typed into a field.
func read(in adapters.Input, text string) (value, problem string) {
	switch in.Kind {
	case adapters.ChoiceInput:
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(in.Options) {
			return in.Options[n-1].Value, ""
		}
		for _, o := range in.Options {
			if strings.EqualFold(o.Label, text) || o.Value == text {
				return o.Value, ""
			}
		}
		return "", fmt.Sprintf("%s is none of the choices; write a number from 1 to %d", shorten(oneLine(text), quoteLength), len(in.Options))
	case adapters.BooleanInput:
		switch strings.ToLower(text) {
		case "y", "yes", "true", "1":
			return "true", ""
		case "n", "no", "false", "0":
			return "false", ""
		}
		return "", "write yes or no"
	}
	return text, ""
}

func (d *form) submit() {
	delivery := d.c.ask(terminal.Request{Do: terminal.DoSubmit, As: d.about.As, ID: d.id, Form: d.form.ID, Values: d.values})
	d.c.submitted[delivery] = d
}
