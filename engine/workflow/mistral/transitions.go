package mistral

import (
	"strings"

	"petrel/engine/expression/value"
)

// route is one group of targets with the same condition.
type route struct {
	when    string // the condition as Mistral has it; "": none
	targets []any
}

// ways are the three kinds of transitions and when they are taken.
var ways = []struct{ key, status string }{
	{"on-success", "succeeded()"},
	{"on-error", "failed()"},
	{"on-complete", ""},
}

// transitions converts the transitions and what the task publishes.
func (c *converter) transitions(place string, task *value.Dict, at scope) *value.List {
	out := value.NewList()
	publish, _ := dictAt(task, "publish")
	onError, _ := dictAt(task, "publish-on-error")
	told := map[string]bool{}
	for _, way := range ways {
		v, ok := task.GetString(way.key)
		if !ok {
			continue
		}
		here := place + "." + way.key
		own := map[string]*value.Dict{"on-success": publish, "on-error": onError}[way.key]
		if way.key == "on-complete" {
			own = c.both(here, publish, onError)
		}
		routes, extra := c.routes(here, v)
		own = merged(own, extra)
		for _, r := range routes {
			t := value.NewDict(3)
			if when := c.when(here, r.when, way.status, own, at); when != "" {
				t.SetString("when", when)
			}
			if own != nil && own.Len() > 0 {
				t.SetString("publish", c.assignments(own, at))
			}
			t.SetString("do", value.NewList(r.targets...))
			out.Items = append(out.Items, t)
			told[way.key] = true
		}
	}
	c.leftOver(place, out, publish, "succeeded()", told["on-success"] || told["on-complete"], at)
	c.leftOver(place, out, onError, "failed()", told["on-error"] || told["on-complete"], at)
	return out
}

// leftOver keeps what a task publishes that leads nowhere, as far as the output of
// the workflow uses it.
func (c *converter) leftOver(place string, out *value.List, publish *value.Dict, status string, told bool, at scope) {
	if publish == nil || told {
		return
	}
	used := value.NewDict(publish.Len())
	for k, v := range publish.All() {
		if c.outputUses[value.Str(k)] {
			_ = used.Set(k, v) // k was a key already
		}
	}
	if used.Len() > 0 {
		out.Items = append(out.Items, value.DictOf("when", "<% "+status+" %>", "publish", c.assignments(used, at)))
	} else if publish.Len() > 0 {
		c.look(place+".publish", "what is published here is used nowhere after it, so it is left out")
	}
}

// both is what a transition publishes that is taken either way.
func (c *converter) both(place string, publish, onError *value.Dict) *value.Dict {
	out := merged(publish, nil)
	if onError == nil {
		return out
	}
	for k, v := range onError.All() {
		if old, ok := out.Get(k); ok && !value.Equal(old, v) {
			c.lost(place, "publish and publish-on-error give %s two values; which one on-complete should have is not known", value.Str(k))
			continue
		}
		_ = out.Set(k, v)
	}
	return out
}

func merged(a, b *value.Dict) *value.Dict {
	out := value.NewDict(4)
	for _, d := range []*value.Dict{a, b} {
		if d != nil {
			out.Update(d)
		}
	}
	return out
}

// routes groups the targets of a transition by their conditions, in their order.
// published is what the advanced form {publish, next} publishes.
func (c *converter) routes(place string, v any) (out []route, published *value.Dict) {
	if d, ok := v.(*value.Dict); ok {
		next, advanced := d.GetString("next")
		if p, has := dictAt(d, "publish"); has {
			published, advanced = merged(nil, p), true
			for _, scope := range []string{"branch", "global", "atomic"} {
				if inner, ok := dictAt(p, scope); ok {
					published.Delete(scope)
					published.Update(inner)
					if scope != "branch" {
						c.look(place, "what is published as %s is seen by this branch only", scope)
					}
				}
			}
		}
		if !advanced {
			next = value.NewList(v)
		}
		v = next
	}
	add := func(name, when string) {
		name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
		name, _, _ = strings.Cut(name, "(")
		switch {
		case name == "succeed", name == "pause":
			c.lost(place, "the command %s has no equivalent", name)
			return
		case !isCommand(name):
			name = taskName(name)
		}
		for i := range out {
			if out[i].when == when {
				out[i].targets = append(out[i].targets, name)
				return
			}
		}
		out = append(out, route{when, []any{name}})
	}
	switch x := v.(type) {
	case string:
		add(x, "")
	case *value.List:
		for _, item := range x.Items {
			if d, ok := item.(*value.Dict); ok {
				for name, when := range d.All() {
					add(value.Str(name), value.Str(when))
				}
				continue
			}
			add(value.Str(item), "")
		}
	}
	return out, published
}

// when makes the condition of a transition. Orquesta tests it before it publishes,
// so variables that the task publishes are replaced by what they are given.
func (c *converter) when(place, condition, status string, publish *value.Dict, at scope) string {
	if condition == "" {
		if status == "" {
			return ""
		}
		return "<% " + status + " %>"
	}
	if publish != nil && publish.Len() > 0 {
		condition = c.inline(place, condition, publish)
	}
	inner, language := unwrap(c.text(condition, at))
	if status == "" {
		return wrap(inner, language)
	}
	return wrap(status+" and ("+inner+")", language)
}

// inline puts published expressions in the place of the variables that hold them.
func (c *converter) inline(place, condition string, publish *value.Dict) string {
	_, language := unwrap(condition)
	for _, name := range variablesOf(condition) {
		v, ok := publish.GetString(name)
		if !ok {
			continue
		}
		given := value.Repr(v)
		if text, isText := v.(string); isText {
			inner, lang := unwrap(text)
			switch {
			case lang == "":
				given = value.Repr(text)
			case lang != language:
				c.look(place, "the condition uses %s, which is published here in another language; it sees the value from before", name)
				continue
			default:
				given = "(" + inner + ")"
			}
		}
		condition = replaceVariable(condition, name, given)
	}
	return condition
}
