// Package mistral turns Mistral v2 workflows, which StackStorm ran until 3.0, into
// Orquesta's. It converts texts; it runs nothing and must not know the conductor.
package mistral

import (
	"fmt"
	"slices"
	"strings"

	"petrel/engine/expression/value"
)

// Note is something that a person should look at after a conversion.
type Note struct {
	Place   string // tasks.build.on-success
	Message string
	// Lost: there is no equivalent, so what stood there is not in the result.
	Lost bool
}

func (n Note) String() string {
	kind := "look at"
	if n.Lost {
		kind = "not converted"
	}
	return fmt.Sprintf("%s: %s: %s", n.Place, kind, n.Message)
}

// Convert turns the text of a Mistral file into that of an Orquesta workflow. The
// error says why the file as a whole cannot be converted.
func Convert(text []byte) ([]byte, []Note, error) {
	root, err := value.ParseYAML(text)
	if err != nil {
		return nil, nil, err
	}
	doc, ok := root.(*value.Dict)
	if !ok {
		return nil, nil, fmt.Errorf("a Mistral file is a map, not %s", value.TypeName(root))
	}
	if _, book := doc.GetString("workflows"); book {
		return nil, nil, fmt.Errorf("this is a workbook; write each of its workflows into a file of its own first")
	}
	if v, _ := doc.GetString("version"); value.Str(v) != "2.0" && value.Str(v) != "2" {
		return nil, nil, fmt.Errorf("version is %s, a Mistral v2 file says '2.0'", value.Repr(v))
	}
	var flow *value.Dict
	for k, v := range doc.All() {
		if k == "version" {
			continue
		}
		d, isMap := v.(*value.Dict)
		if !isMap || flow != nil {
			return nil, nil, fmt.Errorf("beside version the file must hold one workflow under its name; %s is another thing", value.Str(k))
		}
		flow = d
	}
	if flow == nil {
		return nil, nil, fmt.Errorf("there is no workflow in the file")
	}
	if kind, _ := flow.GetString("type"); kind != nil && kind != "direct" {
		return nil, nil, fmt.Errorf("the type of the workflow is %s; only direct ones have an equivalent", value.Str(kind))
	}
	c := &converter{outputUses: map[string]bool{}}
	out, err := c.workflow(flow)
	if err != nil {
		return nil, nil, err
	}
	body, err := writeYAML(out)
	return body, c.notes, err
}

type converter struct {
	notes      []Note
	outputUses map[string]bool // variables that the output uses
	defaults   *value.Dict     // task-defaults
}

func (c *converter) lost(place, format string, args ...any) {
	c.notes = append(c.notes, Note{place, fmt.Sprintf(format, args...), true})
}

func (c *converter) look(place, format string, args ...any) {
	c.notes = append(c.notes, Note{place, fmt.Sprintf(format, args...), false})
}

func (c *converter) workflow(flow *value.Dict) (*value.Dict, error) {
	out := value.DictOf("version", "1.0")
	plain := scope{}
	for _, key := range []string{"description", "tags"} {
		if v, ok := flow.GetString(key); ok {
			out.SetString(key, v)
		}
	}
	if v, ok := flow.GetString("input"); ok {
		out.SetString("input", c.convert(v, plain))
	}
	for _, key := range []string{"vars", "output"} {
		d, ok := dictAt(flow, key)
		if !ok {
			continue
		}
		if key == "output" {
			for _, v := range d.All() {
				usedIn(v, c.outputUses)
			}
		}
	}
	if d, ok := dictAt(flow, "vars"); ok {
		out.SetString("vars", c.assignments(d, plain))
	}
	c.defaults, _ = dictAt(flow, "task-defaults")
	tasks, ok := dictAt(flow, "tasks")
	if !ok || tasks.Len() == 0 {
		return nil, fmt.Errorf("the workflow has no tasks")
	}
	converted := value.NewDict(tasks.Len())
	for k, v := range tasks.All() {
		name := value.Str(k)
		task, isMap := v.(*value.Dict)
		if v == nil {
			task, isMap = value.NewDict(0), true
		}
		if !isMap {
			return nil, fmt.Errorf("the task %s must be a map, not %s", name, value.TypeName(v))
		}
		converted.SetString(taskName(name), c.task(name, task))
	}
	out.SetString("tasks", converted)
	if d, ok := dictAt(flow, "output"); ok {
		out.SetString("output", c.assignments(d, plain))
	}
	for k := range flow.All() {
		switch name := value.Str(k); name {
		case "description", "tags", "input", "vars", "tasks", "output", "type", "name", "task-defaults":
		default:
			c.lost(name, "Orquesta has nothing like it")
		}
	}
	return out, nil
}

// assignments makes the list of one-key maps that Orquesta wants of a map.
func (c *converter) assignments(d *value.Dict, at scope) *value.List {
	list := value.NewList()
	for k, v := range d.All() {
		list.Items = append(list.Items, value.DictOf(value.Str(k), c.convert(v, at)))
	}
	return list
}

// refused are the keys of tasks that have no equivalent.
var refused = map[string]string{
	"keep-result":  "a result is kept as long as expressions can reach it",
	"pause-before": "pause the execution, or ask with core.ask",
	"safe-rerun":   "",
	"target":       "",
	"timeout":      "give the action its own timeout parameter",
	"wait-after":   "delay the tasks that follow",
	"requires":     "only reverse workflows have it",
}

func (c *converter) task(name string, task *value.Dict) *value.Dict {
	place := "tasks." + name
	task = c.withDefaults(task)
	at := scope{task: name, items: itemNames(task)}
	out := value.NewDict(6)
	failing := c.action(place, task, out, at)
	if v, ok := task.GetString("input"); ok {
		out.SetString("input", c.convert(v, at))
		c.renameInput(out)
	}
	c.items(place, task, out, at)
	if v, ok := task.GetString("wait-before"); ok {
		out.SetString("delay", c.convert(v, at))
	}
	if v, ok := task.GetString("join"); ok {
		if v == "one" {
			v = int64(1)
		}
		out.SetString("join", v)
	}
	c.retry(place, task, out, at)
	next := c.transitions(place, task, at)
	if failing {
		next.Items = []any{value.DictOf("do", "fail")}
	}
	if len(next.Items) > 0 {
		out.SetString("next", next)
	}
	if out.Len() == 0 {
		out.SetString("action", "core.noop")
	}
	for k := range task.All() {
		key := value.Str(k)
		if why, known := refused[key]; known {
			if why == "" {
				why = "Orquesta has nothing like it"
			}
			c.lost(place+"."+key, "%s", why)
			continue
		}
		switch key {
		case "action", "workflow", "input", "with-items", "concurrency", "wait-before", "join", "retry", "publish", "publish-on-error",
			"on-success", "on-error", "on-complete", "name":
		case "description":
			c.lost(place+".description", "tasks of Orquesta have no description; make it a comment")
		default:
			c.lost(place+"."+key, "this key is not known")
		}
	}
	return out
}

// withDefaults adds what the task does not say itself.
func (c *converter) withDefaults(task *value.Dict) *value.Dict {
	if c.defaults == nil {
		return task
	}
	task = task.Copy()
	for k, v := range c.defaults.All() {
		if _, own := task.Get(k); !own {
			_ = task.Set(k, v) // k was a key already
		}
	}
	return task
}

// actions are the names that Mistral's own actions have here; "" has none.
var actions = map[string]string{
	"std.noop": "core.noop", "std.http": "core.http", "std.mistral_http": "core.http", "std.echo": "core.echo",
	"std.email": "core.sendmail", "std.ssh": "core.remote", "std.javascript": "", "std.js": "",
}

// action converts the action of a task; failing tells that it was the one that
// always fails.
func (c *converter) action(place string, task, out *value.Dict, at scope) (failing bool) {
	v, ok := task.GetString("action")
	if !ok {
		if v, ok = task.GetString("workflow"); ok {
			c.look(place+".workflow", "%s must be registered as an action", value.Str(v))
		}
	}
	if !ok {
		return false
	}
	text := value.Str(v)
	name, rest, _ := strings.Cut(text, " ")
	if name == "std.fail" {
		return true
	}
	if to, own := actions[name]; own {
		switch {
		case to == "":
			c.lost(place+".action", "there is no action like %s", name)
			to = "core.noop"
		case name == "std.email", name == "std.ssh":
			c.look(place+".action", "%s takes other parameters than %s", to, name)
		}
		text = strings.TrimSpace(to + " " + rest)
		if name == "std.echo" {
			text = strings.Replace(text, " output=", " message=", 1)
		}
	}
	out.SetString("action", c.convert(text, at))
	return false
}

// renameInput gives the parameters of core.echo the names that it knows.
func (c *converter) renameInput(out *value.Dict) {
	action, _ := out.GetString("action")
	in, ok := dictAt(out, "input")
	if !ok || action != "core.echo" {
		return
	}
	if v, has := in.GetString("output"); has {
		renamed := value.NewDict(in.Len())
		for k, x := range in.All() {
			if k == "output" {
				renamed.SetString("message", v)
			} else {
				_ = renamed.Set(k, x)
			}
		}
		out.SetString("input", renamed)
	}
}

// itemNames lists the variables of the items of a task.
func itemNames(task *value.Dict) []string {
	var out []string
	v, _ := task.GetString("with-items")
	for _, one := range texts(v) {
		if name, _, ok := strings.Cut(one, " in "); ok {
			out = append(out, strings.TrimSpace(name))
		}
	}
	return out
}

func (c *converter) items(place string, task, out *value.Dict, at scope) {
	v, ok := task.GetString("with-items")
	if !ok {
		return
	}
	var names, lists []string
	for _, one := range texts(v) {
		name, list, ok := strings.Cut(one, " in ")
		if !ok {
			c.lost(place+".with-items", "%q is not of the form x in <%% list %%>", one)
			return
		}
		names, lists = append(names, strings.TrimSpace(name)), append(lists, c.text(strings.TrimSpace(list), scope{task: at.task}))
	}
	if len(lists) == 0 {
		return
	}
	items := value.NewDict(2)
	if len(lists) == 1 {
		list := lists[0]
		if !strings.HasPrefix(list, "<%") && !strings.HasPrefix(list, "{{") {
			list = "<% " + list + " %>"
		}
		items.SetString("items", names[0]+" in "+list)
	} else {
		inner := make([]string, len(lists))
		for i, list := range lists {
			inner[i], _ = unwrap(list)
		}
		items.SetString("items", strings.Join(names, ", ")+" in <% zip("+strings.Join(inner, ", ")+") %>")
	}
	if v, ok := task.GetString("concurrency"); ok {
		items.SetString("concurrency", c.convert(v, at))
	}
	out.SetString("with", items)
}

func (c *converter) retry(place string, task, out *value.Dict, at scope) {
	v, ok := task.GetString("retry")
	if !ok {
		return
	}
	d, isMap := v.(*value.Dict)
	if !isMap {
		d = pairs(value.Str(v))
	}
	retry := value.NewDict(3)
	var conditions []string
	language := ""
	for _, one := range []struct{ key, form string }{{"break-on", "failed() and not (%s)"}, {"continue-on", "succeeded() and (%s)"}} {
		v, has := d.GetString(one.key)
		if !has {
			continue
		}
		inner, lang := unwrap(c.text(value.Str(v), at))
		if language != "" && lang != language {
			c.lost(place+".retry."+one.key, "break-on and continue-on are of two languages")
			continue
		}
		language = lang
		conditions = append(conditions, fmt.Sprintf(one.form, inner))
	}
	switch len(conditions) {
	case 1:
		retry.SetString("when", wrap(conditions[0], language))
	case 2:
		retry.SetString("when", wrap("("+conditions[0]+") or ("+conditions[1]+")", language))
	}
	for _, key := range []string{"count", "delay"} {
		if v, has := d.GetString(key); has {
			retry.SetString(key, c.convert(v, at))
		}
	}
	out.SetString("retry", retry)
}

func dictAt(d *value.Dict, key string) (*value.Dict, bool) {
	v, _ := d.GetString(key)
	x, ok := v.(*value.Dict)
	return x, ok
}

// texts lists a text, or the texts of a list.
func texts(v any) []string {
	switch x := v.(type) {
	case string:
		return []string{x}
	case *value.List:
		var out []string
		for _, item := range x.Items {
			out = append(out, value.Str(item))
		}
		return out
	}
	return nil
}

// pairs reads "count=3 delay=1".
func pairs(text string) *value.Dict {
	d := value.NewDict(2)
	for _, word := range strings.Fields(text) {
		if k, v, ok := strings.Cut(word, "="); ok {
			if n, err := value.ParseLiteral(v); err == nil {
				d.SetString(k, n)
			} else {
				d.SetString(k, v)
			}
		}
	}
	return d
}

// taskName is the name of a task as Orquesta allows it.
func taskName(name string) string { return strings.ReplaceAll(name, "-", "_") }

var commands = []string{"fail", "noop"}

func isCommand(name string) bool { return slices.Contains(commands, name) }
