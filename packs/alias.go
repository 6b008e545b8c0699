package packs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"

	"petrel/aliases"
)

// AliasRecord is an action alias as it is stored.
type AliasRecord struct {
	ID           string `json:"id"`
	UID          string `json:"uid"`
	MetadataFile string `json:"metadata_file,omitempty"`
	aliases.Definition
}

// aliasFields are the fields that an alias consists of; the others are either
// common to all kinds or not looked at.
var aliasFields = []string{"name", "description", "enabled", "action_ref", "formats", "ack", "result", "extra",
	"immutable_parameters", "case_insensitive", "allow_when", "allow", "deny", "contact", "confirm", "visibility"}

// readAlias reads one file of aliases/.
func (l *loader) readAlias(f *file, o *object, p *Pack, name string) *AliasRecord {
	o.only(append(append([]string{"pack", "tags"}, aliasFields...), computed...)...)
	r := readResource(o, p, "action_alias", name)
	o.must("action_ref", "it names the action to run, for example core.local")
	o.flag("enabled", true)
	o.flag("case_insensitive", false)
	o.mapping("extra")
	o.mapping("immutable_parameters")
	checkTags(o)
	if ack := o.child("ack"); ack != nil {
		ack.only("enabled", "format", "extra", "append_url")
		ack.flag("enabled", true)
		ack.flag("append_url", true)
		ack.text("format")
		ack.mapping("extra")
	}
	if result := o.child("result"); result != nil {
		result.only("enabled", "format", "extra")
		result.flag("enabled", true)
		result.text("format")
		result.mapping("extra")
	}
	for _, name := range []string{"allow", "deny"} {
		checkAccess(o.child(name))
	}
	o.text("contact")
	o.text("confirm")
	checkFormats(o)
	checkVisibility(o)
	if source := o.text("allow_when"); source != "" && l.checks.AllowWhen != nil {
		if err := l.checks.AllowWhen(source); err != nil {
			f.report(o.lineOf("allow_when"), "allow_when: %v", err)
		}
	}
	if f.failed() {
		return nil
	}
	d, err := o.definition(p)
	if err != nil {
		f.report(o.line, "%s", err)
		return nil
	}
	return &AliasRecord{ID: r.id, UID: r.uid, MetadataFile: name, Definition: d}
}

// checkVisibility says at which line a visibility is none.
func checkVisibility(o *object) {
	known := []aliases.Visibility{aliases.Public, aliases.Thread, aliases.Ephemeral, aliases.Direct}
	if v := o.text("visibility"); v != "" && !slices.Contains(known, aliases.Visibility(v)) {
		o.file.report(o.lineOf("visibility"), "visibility must be public, thread, ephemeral or direct, not %q", v)
	}
}

// accessFields are the lists of allow and deny.
var accessFields = []string{"users", "groups", "channels", "platforms"}

// checkAccess reads allow or deny. One that lists nobody and nothing is hardly
// meant: it would let everybody in, or keep nobody out.
func checkAccess(o *object) {
	if o == nil {
		return
	}
	o.only(accessFields...)
	listed := 0
	for _, name := range accessFields {
		listed += len(o.texts(name))
	}
	if listed == 0 {
		o.file.report(o.line, "%s lists nothing; write for example groups: [ops] below it, or remove it", o.path)
	}
}

// definition hands the checked fields to the alias package.
func (o *object) definition(p *Pack) (aliases.Definition, error) {
	fields := map[string]json.RawMessage{}
	for _, name := range aliasFields {
		if o.has(name) {
			fields[name] = o.file.json(o.fields[name].value)
		}
	}
	pack, err := json.Marshal(p.Ref)
	if err != nil {
		return aliases.Definition{}, err
	}
	fields["pack"] = pack
	body, err := json.Marshal(fields)
	if err != nil {
		return aliases.Definition{}, fmt.Errorf("encode alias: %w", err)
	}
	return aliases.ParseDefinition(body)
}

// checkFormats compiles every pattern, to name the line of one that is wrong.
func checkFormats(o *object) {
	if !o.has("formats") {
		o.file.report(o.lineOf("formats"), "formats is missing; give at least one, for example - \"deploy {{ app }}\"")
		return
	}
	list := resolve(o.fields["formats"].value)
	if list.Kind != yaml.SequenceNode {
		o.mismatch("formats", "a list")
		return
	}
	if len(list.Content) == 0 {
		o.file.report(list.Line, "formats is empty; give at least one, for example - \"deploy {{ app }}\"")
	}
	options := aliases.Options{CaseInsensitive: o.flag("case_insensitive", false)}
	for i, n := range list.Content {
		n = resolve(n)
		if text, ok := o.file.text(n); ok {
			checkFormat(o.file, n.Line, text, options)
			continue
		}
		if n.Kind != yaml.MappingNode {
			o.file.report(n.Line, "every entry of formats is text or a mapping {display, representation}, but this one is %s; put it in quotes", o.file.describe(n))
			continue
		}
		entry := o.file.object(n, fmt.Sprintf("formats[%d]", i))
		entry.only("display", "representation", "match_multiple")
		entry.text("display")
		entry.flag("match_multiple", false)
		if !entry.has("representation") {
			continue
		}
		rep := resolve(entry.fields["representation"].value)
		patterns := []*yaml.Node{rep}
		if rep.Kind == yaml.SequenceNode {
			patterns = rep.Content
		}
		for _, p := range patterns {
			if text, ok := o.file.text(p); ok {
				checkFormat(o.file, p.Line, text, options)
			} else {
				o.file.report(p.Line, "%s must be a list of texts, but holds %s; put it in quotes", entry.at("representation"), o.file.describe(p))
			}
		}
	}
}

// checkFormat warns of a format that matches nothing. StackStorm finds out when
// somebody types a command, so packs with such formats are about.
func checkFormat(f *file, line int, format string, o aliases.Options) {
	if _, err := aliases.Compile(format, o); err != nil {
		var bad *aliases.FormatError
		if errors.As(err, &bad) {
			f.warn(line, "format %q cannot be used: %s", bad.Format, bad.Reason)
			return
		}
		f.warn(line, "format %q cannot be used: %s", format, err)
	}
}
