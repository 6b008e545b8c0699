package chatops

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/expression"
)

// ackText is the line that says what was understood: the alias's own, else the
// name of the action.
func (c *Chat) ackText(ctx context.Context, e *engine.Execution, alias *aliases.Definition) string {
	if alias.Ack.Format == "" {
		return "Running *" + e.Action.Ref + "*."
	}
	text, err := c.renderer.String(ctx, alias.Ack.Format, expression.Names{"execution": c.service.View(e), "actionalias": toMap(alias)})
	if err != nil {
		c.log.Warn("ack.format cannot be rendered", "alias", alias.Ref, "execution_id", e.ID, "error", err)
		return fmt.Sprintf("Cannot render \"format\" in field \"ack\" for alias. %v", err)
	}
	return text
}

// resultMessage is the last word on a command.
func (c *Chat) resultMessage(ctx context.Context, p place, e *engine.Execution, alias *aliases.Definition) adapters.Message {
	m := adapters.Message{
		To: p.To, Key: e.ID + "/result", InReplyTo: p.Message, Mention: p.User, State: finalState(e.Status),
	}
	if alias.Result.Format == "" {
		m.Blocks = defaultResult(e)
		return m
	}
	text, err := c.renderer.Lenient(ctx, alias.Result.Format, expression.Names{"execution": c.service.View(e), "alias": toMap(alias), "six": map[string]any{}})
	if err != nil {
		c.log.Warn("result.format cannot be rendered", "alias", alias.Ref, "execution_id", e.ID, "error", err)
		m.Blocks = append(defaultResult(e), paragraph("(The result.format of alias %s cannot be rendered: %v)", alias.Ref, err))
		return m
	}
	m.Blocks = authored(strings.TrimSuffix(text, "\n"))
	return m
}

// authored splits a text at its {~} marks: what comes before the first is the
// introduction, what follows the body; anything after a second is dropped.
func authored(text string) []adapters.Block {
	before, after, split := strings.Cut(text, "{~}")
	if !split {
		return []adapters.Block{paragraph("%s", text)}
	}
	body, _, _ := strings.Cut(after, "{~}")
	var blocks []adapters.Block
	for _, part := range []string{before, body} {
		if part = strings.TrimSpace(part); part != "" {
			blocks = append(blocks, paragraph("%s", part))
		}
	}
	return blocks
}

// defaultResult is StackStorm's default answer (spec: chatops, section 4.3),
// its defects mended.
func defaultResult(e *engine.Execution) []adapters.Block {
	head := fmt.Sprintf("Action %s completed.\nstatus : %s\nexecution: %s\n\nTook %s to complete.\n\nresult :\n--------", e.Action.Ref, e.Status, e.ID, elapsed(e))
	blocks := []adapters.Block{paragraph("%s", head)}
	if text := resultText(e); text != "" {
		blocks = append(blocks, adapters.Block{Kind: adapters.Preformatted, Text: text})
	}
	return blocks
}

// shownKeys are the keys of a result that the default answer shows, by runner.
// Other runners show everything.
var shownKeys = map[string][]string{
	"local-shell-cmd":    {"stdout", "stderr", "return_code", "error", "message"},
	"local-shell-script": {"stdout", "stderr", "return_code", "error", "message"},
	"python-script":      {"result", "stdout", "stderr", "exit_code", "error", "message"},
}

// resultText prints a result as `key : value` lines. Of the runners that print
// streams only what is not empty is shown, and a code only when it is not 0.
func resultText(e *engine.Execution) string {
	result, err := orderedFields(e.Result)
	if err != nil {
		return strings.TrimSpace(string(e.Result))
	}
	if keys, filtered := shownKeys[e.Action.Runner]; filtered {
		result = slices.DeleteFunc(result, func(f field) bool { return !slices.Contains(keys, f.name) || blank(f.value) })
		slices.SortStableFunc(result, func(a, b field) int { return slices.Index(keys, a.name) - slices.Index(keys, b.name) })
	}
	return printFields(result, 0)
}

type field struct {
	name  string
	value json.RawMessage
}

// orderedFields reads a JSON object without losing the order of its keys.
func orderedFields(raw json.RawMessage) ([]field, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if t != json.Delim('{') {
		return nil, fmt.Errorf("not an object")
	}
	var fields []field
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		var f field
		f.name, _ = key.(string)
		if err := d.Decode(&f.value); err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// printFields prints fields one a line, nested ones indented by two; a text of
// several lines begins on a line of its own.
func printFields(fields []field, depth int) string {
	indent := strings.Repeat("  ", depth)
	var out strings.Builder
	for _, f := range fields {
		if nested, err := orderedFields(f.value); err == nil && len(nested) > 0 {
			fmt.Fprintf(&out, "%s%s : \n%s\n", indent, f.name, printFields(nested, depth+1))
			continue
		}
		text := string(f.value)
		if strings.HasPrefix(text, `"`) {
			if err := json.Unmarshal(f.value, &text); err != nil {
				text = string(f.value)
			}
		}
		if strings.Contains(text, "\n") {
			text = "\n" + text
		}
		fmt.Fprintf(&out, "%s%s : %s\n", indent, f.name, text)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// blank reports whether a value says nothing.
func blank(v json.RawMessage) bool {
	switch strings.TrimSpace(string(v)) {
	case `""`, "null", "0", "{}", "[]", "":
		return true
	}
	return false
}

// toMap gives templates the JSON form of a record.
func toMap(v any) json.RawMessage {
	body, err := json.Marshal(v)
	if err != nil { // our own records always encode
		panic(err)
	}
	return body
}
