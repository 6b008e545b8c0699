package packs

import (
	"encoding/json"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"unicode"

	"petrel/engine"
)

// resource is what the metadata of every kind has in common.
type resource struct {
	pack         *Pack
	name         string
	ref          string
	uid          string
	id           string
	description  string
	metadataFile string
}

// computed fields may stand in a file (one written from an API answer has
// them); what they say is ignored.
var computed = []string{"ref", "uid", "id", "metadata_file"}

// readResource reads the common fields. kind is the one in uids.
func readResource(o *object, p *Pack, kind, metadataFile string) resource {
	r := resource{
		pack:         p,
		name:         o.must("name", "every "+strings.ReplaceAll(kind, "_", " ")+" has one"),
		description:  o.text("description"),
		metadataFile: metadataFile,
	}
	if strings.ContainsFunc(r.name, unicode.IsControl) {
		o.file.report(o.lineOf("name"), "name %q holds control characters; write plain text", r.name)
	}
	if own := o.text("pack"); own != "" && own != p.Ref {
		o.file.report(o.lineOf("pack"), "pack is %q, but this folder is pack %q; write that or remove the line", own, p.Ref)
	}
	r.ref = p.Ref + "." + r.name
	r.uid = kind + ":" + p.Ref + ":" + r.name
	r.id = engine.DeriveID(r.uid)
	return r
}

// readAction reads one file of actions/. It returns nil when the file cannot be
// used; the reasons are in f.
func (l *loader) readAction(f *file, o *object, d folder, p *Pack, name string) *engine.Action {
	o.only(append([]string{"name", "pack", "description", "enabled", "runner_type", "entry_point", "parameters",
		"output_schema", "tags", "notify", "idempotent"}, computed...)...)
	r := readResource(o, p, "action", name)
	a := &engine.Action{
		ID: r.id, Ref: r.ref, UID: r.uid, Pack: p.Ref, Name: r.name,
		Description:  r.description,
		Enabled:      o.flag("enabled", true),
		RunnerType:   o.must("runner_type", "it names how the action is run, for example local-shell-cmd"),
		EntryPoint:   o.text("entry_point"),
		Parameters:   o.mapping("parameters"),
		OutputSchema: o.mapping("output_schema"),
		Idempotent:   o.flag("idempotent", false),
		MetadataFile: name,
		Dir:          d.dir,
	}
	checkTags(o)
	a.Notify = readNotify(o)
	runner, known := l.runner(a.RunnerType)
	if a.RunnerType != "" && !known {
		f.report(o.lineOf("runner_type"), "there is no runner %s; %s", a.RunnerType, suggestion(a.RunnerType, l.runnerNames))
	}
	checkEntryPoint(o, d, a.EntryPoint)
	if known && engine.Conducted(runner.Name) && !f.failed() {
		l.checkWorkflow(f, d, a, runner)
	}
	if known {
		o.checkParameters(runner.Parameters, a.Parameters)
	}
	if f.failed() {
		return nil
	}
	return a
}

// checkEntryPoint holds the rule that an entry point is a plain path below
// actions/, or an absolute one inside the pack.
func checkEntryPoint(o *object, d folder, entry string) {
	if entry == "" {
		return
	}
	line := o.lineOf("entry_point")
	clean := path.Clean(entry)
	if path.IsAbs(entry) {
		root, err := filepath.Abs(d.dir)
		inside, relErr := filepath.Rel(root, clean)
		if err != nil || relErr != nil || clean != entry || inside == ".." || strings.HasPrefix(inside, "../") {
			o.file.report(line, "entry_point %q is outside the pack; write a path relative to actions/", entry)
		}
		return
	}
	if clean != entry || entry == ".." || strings.HasPrefix(entry, "../") {
		o.file.report(line, "entry_point %q must be a plain path below actions/, without ./, .. or doubled slashes", entry)
		return
	}
	if _, err := fs.Stat(d.fsys, path.Join("actions", entry)); err != nil {
		o.file.warn(line, "entry_point actions/%s does not exist; the action will fail", entry)
	}
}

// checkWorkflow has the file of a workflow looked at. The action is used all the
// same: it is looked at again whenever it is started.
func (l *loader) checkWorkflow(f *file, d folder, a *engine.Action, runner engine.Runner) {
	if l.checks.Workflow == nil || path.IsAbs(a.EntryPoint) {
		return
	}
	name := path.Join("actions", a.EntryPoint)
	text, err := fs.ReadFile(d.fsys, name)
	if err != nil {
		return // told by checkEntryPoint
	}
	named := *a
	named.RunnerType = runner.Name // not an alias of it
	for _, p := range l.checks.Workflow(&named, d.shown(name), text) {
		f.add(p)
	}
}

// checkTags holds the form of tags: a list of {name, value}.
func checkTags(o *object) {
	if !o.has("tags") {
		return
	}
	var tags []struct {
		Name  *string `json:"name"`
		Value *string `json:"value"`
	}
	if err := json.Unmarshal(o.file.json(o.fields["tags"].value), &tags); err != nil {
		o.file.report(o.lineOf("tags"), "%s must be a list of {name: ..., value: ...} with texts", o.at("tags"))
	}
}

// readNotify reads who is told about the end of the action.
func readNotify(o *object) json.RawMessage {
	notify := o.child("notify")
	if notify == nil {
		return nil
	}
	notify.only("on-success", "on-failure", "on-complete")
	for _, name := range notify.order {
		on := notify.child(name)
		if on == nil {
			continue
		}
		on.only("message", "data", "routes", "channels")
		on.text("message")
		on.mapping("data")
		on.texts("routes")
		on.texts("channels")
	}
	return o.mapping("notify")
}
