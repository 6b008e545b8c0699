package workflow

import (
	"fmt"
	"regexp"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

// ActionInput is what an action may be given, those of its runner included.
type ActionInput struct {
	Names    []string // every parameter
	Required []string // those that must be given: required, and without a default
}

var actionRef = regexp.MustCompile(`^[^.\s]+\.\S+$`)

// InspectActions checks the tasks against the actions there are: find gives what an
// action takes, ok=false when it is not registered. Actions that are computed, and
// inputs that are one expression, are left alone. The problems are of the type
// content, in the order of the file.
func (d *Definition) InspectActions(find func(ref string) (in ActionInput, ok bool)) []Problem {
	var out []Problem
	note := func(spec, schema, format string, args ...any) {
		out = append(out, Problem{Type: "content", Message: fmt.Sprintf(format, args...), SpecPath: spec, SchemaPath: schema, File: d.File, Line: d.Line(spec)})
	}
	for _, name := range d.Order {
		t, spec := d.Tasks[name], "tasks."+name
		if t.Action == "" || expression.Detect(t.Action) != "" {
			continue
		}
		if !actionRef.MatchString(t.Action) {
			note(spec+".action", taskSchema+".properties.action", "The action reference %q is not formatted correctly.", t.Action)
			continue
		}
		in, ok := find(t.Action)
		if !ok {
			note(spec+".action", taskSchema+".properties.action", "The action %q is not registered in the database.", t.Action)
			continue
		}
		given, isMap := t.Input.(*value.Dict)
		if t.Input == nil {
			given = value.NewDict(0)
		} else if !isMap {
			continue
		}
		for _, p := range in.Required {
			if _, ok := given.GetString(p); !ok {
				note(spec+".input", taskSchema+".properties.input", "Action %q is missing required input %q.", t.Action, p)
			}
		}
		known := set{}
		for _, p := range in.Names {
			known[p] = true
		}
		for k := range given.All() {
			p := value.Str(k)
			if !known[p] && expression.Detect(p) == "" {
				note(spec+".input."+p, taskSchema+`.properties.input.patternProperties.^\w+$`, "Action %q has unexpected input %q.", t.Action, p)
			}
		}
	}
	return out
}
