package packs

import (
	"os"
	"path/filepath"

	"petrel/engine"
)

// globalOverrides is the file of overrides that holds for every pack.
const globalOverrides = "_global.yaml"

// overrideKinds are the kinds of content that overrides switch on and off.
var overrideKinds = []string{"sensors", "actions", "rules", "aliases"}

// override is what an installation wants of one kind of content.
type override struct {
	all        *bool // defaults.enabled
	exceptions map[string]bool
}

// overrides switch content of packs on and off without a change of the packs:
// those of _global.yaml, and then those of the pack's own file, whose exceptions
// name single entities. Its defaults hold over the global ones.
type overrides struct{ global, own map[string]override }

// overrides reads the files that concern a pack. What is wrong in them is
// reported, and the rest is used.
func (l *loader) overrides(d folder, ref string) overrides {
	if d.overrides == "" {
		return overrides{}
	}
	return overrides{
		global: l.overrideFile(filepath.Join(d.overrides, globalOverrides)),
		own:    l.overrideFile(filepath.Join(d.overrides, ref+".yaml")),
	}
}

func (l *loader) overrideFile(path string) map[string]override {
	if known, ok := l.overridden[path]; ok {
		return known // _global.yaml, of the pack before
	}
	found := map[string]override{}
	l.overridden[path] = found
	f := &file{name: path}
	defer func() { l.content.Problems = append(l.content.Problems, f.problems...) }()
	body, err := os.ReadFile(path)
	if err != nil {
		if !isAbsent(err) {
			f.report(0, "cannot be read: %s", reason(err))
		}
		return found
	}
	o := f.parse(body)
	if o == nil {
		return found
	}
	o.only(overrideKinds...)
	for _, kind := range overrideKinds {
		if part := o.child(kind); part != nil {
			found[kind] = readOverride(part)
		}
	}
	return found
}

func readOverride(o *object) override {
	o.only("defaults", "exceptions")
	w := override{exceptions: map[string]bool{}}
	if d := o.child("defaults"); d != nil {
		w.all = readEnabled(d)
	}
	if e := o.child("exceptions"); e != nil {
		for _, name := range e.order {
			if one := e.child(name); one != nil {
				if on := readEnabled(one); on != nil {
					w.exceptions[name] = *on
				}
			}
		}
	}
	return w
}

// readEnabled reads the one thing that may be overridden.
func readEnabled(o *object) *bool {
	o.only("enabled")
	if !o.has("enabled") {
		return nil
	}
	on := o.flag("enabled", true)
	return &on
}

// enabled is whether an entity is, given what its metadata say.
func (w overrides) enabled(kind, name string, says bool) bool {
	if g := w.global[kind].all; g != nil {
		says = *g
	}
	own := w.own[kind]
	if own.all != nil {
		says = *own.all
	}
	if on, ok := own.exceptions[name]; ok {
		says = on
	}
	return says
}

// apply switches an entity on or off.
func (w overrides) apply(entity any) {
	switch e := entity.(type) {
	case *sensorFile:
		e.sensor.Enabled = w.enabled("sensors", e.sensor.Name, e.sensor.Enabled)
	case *engine.Action:
		e.Enabled = w.enabled("actions", e.Name, e.Enabled)
	case *engine.Rule:
		e.Enabled = w.enabled("rules", e.Name, e.Enabled)
	case *AliasRecord:
		e.Enabled = w.enabled("aliases", e.Name, e.Enabled)
	}
}
