package packs

import (
	"fmt"

	"petrel/engine"
)

// crossCheck looks at what names what. What is missing may be added later, so
// these are warnings; content that names it stays inert until then.
func (l *loader) crossCheck() {
	c := l.content
	actions := make(map[string]*engine.Action, len(c.Actions))
	for _, a := range c.Actions {
		actions[a.Ref] = a
	}
	types := make(map[string]*engine.TriggerType, len(c.TriggerTypes))
	for _, t := range c.TriggerTypes {
		types[t.Ref] = t
	}
	warn := func(pack, file, format string, args ...any) {
		c.Problems = append(c.Problems, Problem{File: c.shown(pack, file), Message: fmt.Sprintf(format, args...), Warning: true})
	}
	for _, r := range c.Rules {
		if types[r.Trigger.Type] == nil {
			warn(r.Pack, r.MetadataFile, "there is no trigger type %s; the rule waits for it", r.Trigger.Type)
		}
		if actions[r.Action.Ref] == nil {
			warn(r.Pack, r.MetadataFile, "there is no action %s; the rule cannot start it", r.Action.Ref)
		}
	}
	for _, p := range c.Policies {
		if actions[p.ResourceRef] == nil {
			warn(p.Pack, p.MetadataFile, "there is no action %s; the policy limits nothing", p.ResourceRef)
		}
	}
	for _, a := range c.Aliases {
		if actions[a.ActionRef] == nil {
			warn(a.Pack, a.MetadataFile, "there is no action %s; the command will fail", a.ActionRef)
		}
	}
}
