package packs

import "petrel/engine"

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
