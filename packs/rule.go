package packs

import (
	"encoding/json"
	"slices"
	"strings"

	"petrel/engine"
)

// operators are the criteria types, under all their names.
var operators = []string{
	"equals", "eq", "nequals", "neq", "iequals", "ieq", "contains", "icontains", "ncontains", "incontains",
	"startswith", "istartswith", "endswith", "iendswith", "lessthan", "lt", "greaterthan", "gt",
	"matchwildcard", "matchregex", "regex", "iregex", "timediff_lt", "td_lt", "timediff_gt", "td_gt",
	"exists", "nexists", "inside", "in", "ninside", "nin", "search",
}

// readRule reads one file of rules/.
func (l *loader) readRule(f *file, o *object, p *Pack, name string) *engine.Rule {
	o.only(append([]string{"name", "pack", "description", "enabled", "type", "trigger", "criteria", "when", "action",
		"context", "tags"}, computed...)...)
	r := readResource(o, p, "rule", name)
	rule := &engine.Rule{
		ID: r.id, Ref: r.ref, UID: r.uid, Pack: p.Ref, Name: r.name,
		Description:  r.description,
		Enabled:      o.flag("enabled", false),
		Type:         readRuleType(o),
		Trigger:      l.readTriggerSpec(o),
		Criteria:     readCriteria(o),
		When:         o.text("when"),
		Action:       readActionCall(o),
		MetadataFile: name,
	}
	checkTags(o)
	o.mapping("context")
	if rule.When != "" && l.checks.When != nil {
		if err := l.checks.When(rule); err != nil {
			f.report(o.lineOf("when"), "when: %v", err)
		}
	}
	if f.failed() {
		return nil
	}
	return rule
}

func readRuleType(o *object) engine.RuleType {
	t := engine.RuleType{Ref: "standard"}
	child := o.child("type")
	if child == nil {
		return t
	}
	child.only("ref", "parameters")
	child.mapping("parameters")
	if ref := child.text("ref"); ref != "" {
		t.Ref = ref
	}
	if t.Ref != "standard" && t.Ref != "backstop" {
		child.file.report(child.lineOf("ref"), "type.ref is standard or backstop, not %q", t.Ref)
	}
	return t
}

func (l *loader) readTriggerSpec(o *object) engine.TriggerSpec {
	if !o.has("trigger") {
		o.file.report(o.lineOf("trigger"), "trigger is missing; it says what the rule listens to, for example trigger: {type: core.st2.webhook, parameters: {url: name}}")
		return engine.TriggerSpec{}
	}
	child := o.child("trigger")
	if child == nil {
		return engine.TriggerSpec{}
	}
	spec := engine.TriggerSpec{
		Type:       child.must("type", "it names the trigger type, for example core.st2.webhook"),
		Parameters: child.mapping("parameters"),
		Ref:        child.text("ref"),
	}
	if spec.Type != "" && !strings.Contains(spec.Type, ".") {
		child.file.report(child.lineOf("type"), "trigger.type %q lacks its pack; write pack.name, for example core.%s", spec.Type, spec.Type)
	}
	l.checkTrigger(child, spec)
	return spec
}

func readActionCall(o *object) engine.ActionCall {
	if !o.has("action") {
		o.file.report(o.lineOf("action"), "action is missing; it says what the rule does, for example action: {ref: core.local, parameters: {cmd: date}}")
		return engine.ActionCall{}
	}
	child := o.child("action")
	if child == nil {
		return engine.ActionCall{}
	}
	child.only("ref", "parameters", "description")
	child.text("description")
	return engine.ActionCall{
		Ref:        child.must("ref", "it names the action, for example core.local"),
		Parameters: child.mapping("parameters"),
	}
}

// readCriteria checks what can be checked before an event is there.
func readCriteria(o *object) json.RawMessage {
	criteria := o.child("criteria")
	if criteria == nil {
		return nil
	}
	for _, key := range criteria.order {
		one := criteria.child(key)
		if one == nil {
			if !criteria.has(key) {
				criteria.file.report(criteria.lineOf(key), "%s is empty; write {type: equals, pattern: ...}", criteria.at(key))
			}
			continue
		}
		op := one.must("type", "it names the comparison, for example equals")
		if op != "" && !slices.Contains(operators, op) {
			one.file.report(one.lineOf("type"), "there is no comparison %q; %s", op, suggestion(op, operators))
		}
		if !one.has("pattern") {
			one.file.report(one.lineOf("pattern"), "%s is missing; every comparison needs one, also exists and nexists (any value)", one.at("pattern"))
		}
	}
	return o.mapping("criteria")
}
