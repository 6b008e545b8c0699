package chatops

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"petrel/adapters"
	"petrel/adapters/markup"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/expression"
)

// ackText is the line that says what was understood: the alias's own, else the
// name of the action.
func (c *Chat) ackText(ctx context.Context, e *engine.Execution, alias *aliases.Definition) string {
	text, err := "Running *"+e.Action.Ref+"*.", error(nil)
	if alias.Ack.Format != "" {
		text, err = c.renderer.String(ctx, alias.Ack.Format, expression.Names{"execution": c.view(e), "actionalias": toMap(alias)})
	}
	if err != nil {
		c.log.Warn("ack.format cannot be rendered", "alias", alias.Ref, "execution_id", e.ID, "error", err)
		text = fmt.Sprintf("Cannot render \"format\" in field \"ack\" for alias. %v", err)
	}
	if url := c.pageOf(e.ID); url != "" && alias.Ack.AppendURL {
		text += " (details available at " + url + ")"
	}
	return text
}

// resultMessage is the last word on a command.
func (c *Chat) resultMessage(ctx context.Context, p place, e *engine.Execution, alias *aliases.Definition) adapters.Message {
	m := adapters.Message{
		To: p.To, Key: e.ID + "/result", InReplyTo: p.Message, Mention: p.User, State: finalState(e.Status),
	}
	c.decorate(ctx, &m, e, alias, alias.Result.Extra, "result.extra")
	m.Blocks = c.resultBlocks(ctx, e, alias)
	return m
}

// resultBlocks is how an execution ended, in the words of its alias or in
// StackStorm's.
func (c *Chat) resultBlocks(ctx context.Context, e *engine.Execution, alias *aliases.Definition) []adapters.Block {
	if alias.Result.Format == "" {
		return c.defaultResult(e)
	}
	text, err := c.renderer.Lenient(ctx, alias.Result.Format, c.resultNames(e, alias))
	if err != nil {
		c.log.Warn("result.format cannot be rendered", "alias", alias.Ref, "execution_id", e.ID, "error", err)
		return append(c.defaultResult(e), paragraph("(The result.format of alias %s cannot be rendered: %v)", alias.Ref, err))
	}
	if text = strings.TrimSuffix(text, "\n"); strings.TrimSpace(text) == "" {
		return c.defaultResult(e) // an answer that says nothing is none
	}
	return authored(text)
}

// resultNames is what the templates of a result may use.
func (c *Chat) resultNames(e *engine.Execution, alias *aliases.Definition) expression.Names {
	return expression.Names{"execution": c.view(e), "alias": toMap(alias), "six": map[string]any{}}
}

// view is the execution as templates of messages see it. The result cannot end a
// code fence that a template puts around it.
func (c *Chat) view(e *engine.Execution) map[string]any {
	view := c.service.View(e)
	view["result"] = c.shownResult(e)
	if url := c.pageOf(e.ID); url != "" {
		view["web_url"] = url
	}
	return view
}

// shownResult is the result of an execution without its secrets.
func (c *Chat) shownResult(e *engine.Execution) json.RawMessage {
	raw, _ := c.service.View(e)["result"].(json.RawMessage)
	// Within JSON backquotes occur in texts and keys only.
	return json.RawMessage(markup.Unfence(string(raw)))
}

// pageOf is where an execution can be looked at in a web console, "" when there
// is none.
func (c *Chat) pageOf(execution string) string {
	if c.webURL == "" {
		return ""
	}
	return strings.TrimSuffix(c.webURL, "/") + "/#/history/" + execution + "/general"
}

// decorate gives a message what `ack.extra` or `result.extra` of its alias say:
// a colour, and what only one platform understands.
func (c *Chat) decorate(ctx context.Context, m *adapters.Message, e *engine.Execution, alias *aliases.Definition, extra json.RawMessage, name string) {
	if len(extra) == 0 || string(extra) == "null" {
		return
	}
	names := c.resultNames(e, alias)
	names["actionalias"] = names["alias"]
	rendered, err := c.renderer.Mapping(ctx, extra, names)
	var body []byte
	if err == nil {
		body, err = json.Marshal(rendered)
	}
	if err == nil {
		err = addExtra(m, body)
	}
	if err != nil {
		c.log.Warn(name+" cannot be used", "alias", alias.Ref, "execution_id", e.ID, "error", err)
	}
}

// addExtra reads StackStorm's `extra` object: `color`, and objects by platform.
func addExtra(m *adapters.Message, body json.RawMessage) error {
	var extra map[string]json.RawMessage
	if err := json.Unmarshal(body, &extra); err != nil {
		return fmt.Errorf("extra must be an object: %w", err)
	}
	for name, raw := range extra {
		var platform map[string]json.RawMessage
		switch {
		case name == "color":
			var color string
			if err := json.Unmarshal(raw, &color); err != nil {
				return fmt.Errorf("extra.color must be text: %w", err)
			}
			m.Color = hexColor(color)
		case json.Unmarshal(raw, &platform) == nil && platform != nil:
			delete(platform, "thread_response") // answers are in the thread anyway
			if len(platform) == 0 {
				continue
			}
			body, err := json.Marshal(platform)
			if err != nil {
				return err
			}
			if m.Extra == nil {
				m.Extra = map[string]json.RawMessage{}
			}
			m.Extra[name] = body
		}
	}
	return nil
}

var shortHex = regexp.MustCompile(`^#?[0-9a-fA-F]{3}$`)
var longHex = regexp.MustCompile(`^#?[0-9a-fA-F]{6}$`)

// hexColor makes "#rrggbb" of a colour, also of Slack's names; "" when it is none.
func hexColor(s string) string {
	switch {
	case s == "good":
		return "#2eb886"
	case s == "warning":
		return "#daa038"
	case s == "danger":
		return "#a30200"
	case longHex.MatchString(s):
		return "#" + strings.ToLower(strings.TrimPrefix(s, "#"))
	case shortHex.MatchString(s):
		d := strings.ToLower(strings.TrimPrefix(s, "#"))
		return "#" + d[:1] + d[:1] + d[1:2] + d[1:2] + d[2:] + d[2:]
	}
	return ""
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
func (c *Chat) defaultResult(e *engine.Execution) []adapters.Block {
	head := fmt.Sprintf("Action %s completed.\nstatus : %s\nexecution: %s\n\n", e.Action.Ref, e.Status, e.ID)
	if url := c.pageOf(e.ID); url != "" {
		head += "web_url: " + url + "\n\n"
	}
	head += fmt.Sprintf("Took %s to complete.\n\nresult :\n--------", elapsed(e))
	blocks := []adapters.Block{paragraph("%s", head)}
	if text := resultText(e.Action.Runner, c.shownResult(e)); text != "" {
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
func resultText(runner string, raw json.RawMessage) string {
	result, err := orderedFields(raw)
	if err != nil {
		if blank(raw) {
			return ""
		}
		return strings.TrimSpace(string(raw))
	}
	if keys, filtered := shownKeys[runner]; filtered {
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
