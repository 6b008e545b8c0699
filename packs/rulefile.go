package packs

import "petrel/engine"

// ReadRule reads a rule from the text of a file that need not be part of a pack. It
// returns nil when the rule cannot be used; the problems say why.
func ReadRule(name string, body []byte, checks Checks) (*engine.Rule, []Problem) {
	f := &file{name: name}
	o := f.parse(body)
	if o == nil {
		return nil, f.problems
	}
	pack := o.text("pack")
	if pack == "" {
		pack = "default"
	}
	l := &loader{checks: checks}
	return l.readRule(f, o, &Pack{Ref: pack}, name), f.problems
}
