package packs

import (
	"encoding/json"
	"strings"

	"petrel/engine"
)

// Checks are questions about content that others can answer. Any may be nil.
type Checks struct {
	// Trigger says what is wrong with the parameters that a rule gives a trigger
	// type; nil when nothing is, or when it does not know the type. The error
	// names the parameter at fault.
	Trigger func(triggerType string, parameters json.RawMessage) error
	// When says what is wrong with the `when` of a rule.
	When func(rule *engine.Rule) error
	// Workflow says what is wrong with the file of an action whose runner runs
	// workflows; text is what the file holds.
	Workflow func(a *engine.Action, file string, text []byte) []Problem
	// AllowWhen says what is wrong with the `allow_when` of an alias.
	AllowWhen func(source string) error
}

// readTriggerType reads one file of triggers/.
func readTriggerType(f *file, o *object, p *Pack, name string) *engine.TriggerType {
	o.only(append([]string{"name", "pack", "description", "payload_schema", "parameters_schema", "tags"}, computed...)...)
	r := readResource(o, p, "trigger_type", name)
	t := &engine.TriggerType{
		ID: r.id, Ref: r.ref, UID: r.uid, Pack: p.Ref, Name: r.name,
		Description:      r.description,
		PayloadSchema:    o.mapping("payload_schema"),
		ParametersSchema: o.mapping("parameters_schema"),
		MetadataFile:     name,
	}
	checkTags(o)
	if f.failed() {
		return nil
	}
	return t
}

// checkTrigger holds the parameters of a rule's trigger to what those who serve
// the trigger can serve.
func (l *loader) checkTrigger(trigger *object, spec engine.TriggerSpec) {
	if spec.Type == engine.TriggerWebhook {
		checkWebhook(trigger)
		return
	}
	parameters := spec.Parameters
	if parameters == nil {
		parameters = json.RawMessage("{}")
	}
	if l.checks.Trigger == nil {
		return
	}
	if err := l.checks.Trigger(spec.Type, parameters); err != nil {
		trigger.file.report(trigger.lineOfMention(err.Error()), "trigger.parameters: %s", err)
	}
}

// lineOfMention finds the parameter that a text speaks of first.
func (o *object) lineOfMention(text string) int {
	params := o.child("parameters")
	if params == nil {
		return o.line
	}
	line, first := o.lineOf("parameters"), len(text)
	for _, name := range params.order {
		if at := strings.Index(text, name); at >= 0 && at < first {
			line, first = params.lineOf(name), at
		}
	}
	return line
}

func checkWebhook(trigger *object) {
	params := trigger.child("parameters")
	if params == nil {
		params = &object{file: trigger.file, path: trigger.at("parameters"), line: trigger.line}
	}
	params.only("url")
	url := params.must("url", "it is the path after /api/v1/webhooks/, for example url: alertmanager")
	if url != "" && strings.Trim(url, "/ ") == "" {
		params.file.report(params.lineOf("url"), "%s %q names no webhook; write for example url: alertmanager", params.at("url"), url)
	}
}
