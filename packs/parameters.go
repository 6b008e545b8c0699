package packs

import (
	"encoding/json"

	"petrel/engine/params"
)

// checkParameters holds the parameters of an action, together with those of its
// runner, to the schema dialect.
func (o *object) checkParameters(runner, action json.RawMessage) {
	if !o.has("parameters") {
		return
	}
	_, err := params.Compile(runner, action)
	if err == nil {
		return
	}
	o.file.report(o.parameterAtFault(runner), "%s", err)
}

// parameterAtFault finds the line of the first parameter that is wrong by
// itself; otherwise the parameters do not go together, and all are meant.
func (o *object) parameterAtFault(runner json.RawMessage) int {
	declared := o.child("parameters")
	if declared == nil {
		return o.lineOf("parameters")
	}
	for _, name := range declared.order {
		field := declared.fields[name]
		alone, err := json.Marshal(map[string]json.RawMessage{name: o.file.json(field.value)})
		if err != nil {
			continue
		}
		if _, err := params.Compile(runner, alone); err != nil {
			return field.line
		}
	}
	return o.lineOf("parameters")
}
