package chatops

import (
	"bytes"
	"encoding/json"

	"petrel/adapters"
	"petrel/engine"
)

// details is what is on record about an execution that is shown to people.
func (c *Chat) details(e *engine.Execution) []adapters.Block {
	fields := []adapters.Field{
		{Name: "Execution", Value: e.ID}, {Name: "Action", Value: e.Action.Ref}, {Name: "Runner", Value: e.Action.Runner},
		{Name: "Status", Value: string(e.Status)}, {Name: "Asked by", Value: e.Context.User},
		{Name: "Started", Value: e.StartTimestamp.UTC().Format("2006-01-02 15:04:05 UTC")},
	}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, adapters.Field{Name: name, Value: value})
		}
	}
	if e.EndTimestamp != nil {
		add("Took", elapsed(e))
	}
	if e.Context.ActionAlias != nil {
		add("Command", e.Context.ActionAlias.Ref)
	}
	if e.Rule != nil {
		add("Rule", e.Rule.Ref)
	}
	add("Worker", e.Worker)
	add("Trigger instance", e.TriggerInstance)
	add("Trace", e.TraceID)
	if url := c.pageOf(e.ID); url != "" {
		add("Page", url)
	}
	blocks := []adapters.Block{{Kind: adapters.Heading, Text: e.Action.Ref}, {Kind: adapters.Fields, Fields: fields}}
	if text := indented(e.Parameters); text != "{}" {
		blocks = append(blocks, paragraph("Parameters:"), adapters.Block{Kind: adapters.Preformatted, Text: text})
	}
	if text := resultText(e.Action.Runner, e.Result); text != "" {
		blocks = append(blocks, paragraph("Result:"), adapters.Block{Kind: adapters.Preformatted, Text: text})
	}
	return blocks
}

// indented prints JSON for people.
func indented(raw json.RawMessage) string {
	var out bytes.Buffer
	if json.Indent(&out, raw, "", "  ") != nil {
		return string(raw)
	}
	return out.String()
}
