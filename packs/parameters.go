package packs

import (
	"encoding/json"
)

// checkParameters holds the parameters of an action, together with those of its
// runner, to the schema dialect, and names the line of the one at fault.
func (o *object) checkParameters(field string, runner, action json.RawMessage) {
	declared := o.child(field)
	if declared == nil {
		return
	}
	for _, name := range declared.order {
		if !declared.has(name) {
			o.file.report(declared.lineOf(name), "%s is empty; write a schema, for example {type: string}", declared.at(name))
			continue
		}
		declared.child(name)
	}
}
