package packs

import (
	"encoding/json"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"petrel/engine"
)

// minPollInterval is the least that StackStorm takes, in seconds.
const minPollInterval = 4

// sensorFile is what came of one file of sensors/: a sensor and the trigger
// types it declares.
type sensorFile struct {
	sensor *engine.Sensor
	types  []*engine.TriggerType
}

// readSensor reads one file of sensors/. Keys that nobody knows pass, as they do
// in StackStorm, but not silently.
func readSensor(f *file, o *object, d folder, p *Pack, name string) *sensorFile {
	o.tolerate(append([]string{"name", "pack", "class_name", "entry_point", "description", "enabled", "poll_interval",
		"trigger_types", "runner", "arguments", "tags"}, computed...)...)
	s := &engine.Sensor{
		Pack: p.Ref, ClassName: o.text("class_name"), Name: o.text("name"), Description: o.text("description"), Enabled: o.flag("enabled", true),
		EntryPoint: o.must("entry_point", "it names the file of the sensor, relative to sensors/"),
		Runner:     o.text("runner"), Arguments: o.texts("arguments"), MetadataFile: name, Dir: d.dir,
	}
	switch s.Runner {
	case "":
		s.Runner = engine.SensorPython
	case engine.SensorPython, engine.SensorProcess:
	default:
		f.report(o.lineOf("runner"), "runner is python or process, not %q", s.Runner)
	}
	switch {
	case s.ClassName != "":
		s.Name = s.ClassName
	case s.Runner == engine.SensorProcess && s.Name == "":
		f.report(o.line, "name is missing; a sensor that is a program of its own has one")
	case s.Runner == engine.SensorPython:
		f.report(o.line, "class_name is missing; it names the class of the sensor in %s", s.EntryPoint)
	}
	if own := o.text("pack"); own != "" && own != p.Ref {
		f.report(o.lineOf("pack"), "pack is %q, but this folder is pack %q; write that or remove the line", own, p.Ref)
	}
	s.Ref = p.Ref + "." + s.Name
	s.UID = "sensor_type:" + p.Ref + ":" + s.Name
	s.ID = engine.DeriveID(s.UID)
	s.PollInterval = readPollInterval(o)
	checkTags(o)
	if s.EntryPoint != "" {
		if clean := path.Clean(s.EntryPoint); clean != s.EntryPoint || path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
			f.report(o.lineOf("entry_point"), "entry_point %q must be a plain path below sensors/", s.EntryPoint)
		} else if _, err := fs.Stat(d.fsys, path.Join("sensors", s.EntryPoint)); err != nil {
			f.warn(o.lineOf("entry_point"), "entry_point sensors/%s does not exist; the sensor will not start", s.EntryPoint)
		}
	}
	r := &sensorFile{sensor: s}
	if n := o.fields["trigger_types"].value; n != nil && n.Kind == yaml.SequenceNode {
		for i, item := range n.Content {
			if t := f.readSensorTrigger(item, p, o.at("trigger_types")+"["+strconv.Itoa(i)+"]", name); t != nil {
				r.types = append(r.types, t)
				s.TriggerTypes = append(s.TriggerTypes, t.Ref)
			}
		}
	} else if o.has("trigger_types") {
		o.mismatch("trigger_types", "a list of trigger types, each with a name")
	}
	if f.failed() {
		return nil
	}
	return r
}

// readPollInterval reads the seconds between two polls; a fraction is dropped.
func readPollInterval(o *object) int {
	if !o.has("poll_interval") {
		return 0
	}
	var seconds float64
	if err := json.Unmarshal(o.file.json(o.fields["poll_interval"].value), &seconds); err != nil {
		o.mismatch("poll_interval", "a number of seconds")
		return 0
	}
	if int(seconds) < minPollInterval {
		o.file.report(o.lineOf("poll_interval"), "poll_interval must be at least %d seconds", minPollInterval)
	}
	return int(seconds)
}

// readSensorTrigger reads one entry of trigger_types.
func (f *file) readSensorTrigger(n *yaml.Node, p *Pack, where, metadataFile string) *engine.TriggerType {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		f.report(n.Line, "%s must be a mapping with a name", where)
		return nil
	}
	o := f.object(n, where)
	o.tolerate(append([]string{"name", "pack", "description", "payload_schema", "parameters_schema", "tags"}, computed...)...)
	r := readResource(o, p, "trigger_type", metadataFile)
	return &engine.TriggerType{
		ID: r.id, Ref: r.ref, UID: r.uid, Pack: p.Ref, Name: r.name, Description: r.description,
		PayloadSchema: o.mapping("payload_schema"), ParametersSchema: o.mapping("parameters_schema"), MetadataFile: metadataFile,
	}
}

// tolerate warns of keys that are not known.
func (o *object) tolerate(known ...string) {
	for _, name := range o.order {
		if !slices.Contains(known, name) {
			o.file.warn(o.lineOf(name), "%s is not known and not used; %s", o.at(name), suggestion(name, known))
		}
	}
}
