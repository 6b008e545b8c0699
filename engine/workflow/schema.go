package workflow

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"petrel/engine/expression/value"
)

// schemaText is the shape of a definition. Its structure is what the schema paths
// of inspection errors spell, so it follows upstream's.
const schemaText = `{
"type": "object", "required": ["tasks"], "additionalProperties": false,
"definitions": {
  "text": {"type": "string", "minLength": 1},
  "value": {"type": "object", "minProperties": 1, "maxProperties": 1, "patternProperties": {"^\\w+$": {}}},
  "number": {"oneOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}]}
},
"properties": {
  "version": {"enum": ["1.0", 1.0]},
  "name": {"type": "string", "minLength": 1},
  "description": {"type": "string", "minLength": 1},
  "tags": {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": true, "minItems": 1},
  "input": {"type": "array", "items": {"oneOf": [{"$ref": "#/definitions/text"}, {"$ref": "#/definitions/value"}]}, "uniqueItems": true, "minItems": 1},
  "vars": {"type": "array", "items": {"$ref": "#/definitions/value"}, "uniqueItems": true, "minItems": 1},
  "output": {"type": "array", "items": {"$ref": "#/definitions/value"}, "uniqueItems": true, "minItems": 1},
  "tasks": {"type": "object", "minProperties": 1, "additionalProperties": false, "patternProperties": {"^\\w+$": {
    "type": "object", "minProperties": 1, "additionalProperties": false,
    "properties": {
      "delay": {"$ref": "#/definitions/number"},
      "join": {"oneOf": [{"enum": ["all"]}, {"type": "integer", "minimum": 0}]},
      "with": {"type": "object", "minProperties": 1, "additionalProperties": false, "properties": {
        "items": {"type": "string", "minLength": 1, "pattern": "with-items"},
        "concurrency": {"$ref": "#/definitions/number"}}},
      "action": {"type": "string", "minLength": 1},
      "input": {"oneOf": [{"type": "string", "minLength": 1}, {"type": "object", "minProperties": 1}]},
      "retry": {"type": "object", "required": ["count"], "additionalProperties": false, "properties": {
        "when": {"type": "string", "minLength": 1},
        "count": {"$ref": "#/definitions/number"},
        "delay": {"$ref": "#/definitions/number"}}},
      "next": {"type": "array", "items": {"type": "object", "minProperties": 1, "additionalProperties": false, "properties": {
        "when": {"type": "string", "minLength": 1},
        "publish": {"oneOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"$ref": "#/definitions/value"}, "uniqueItems": true, "minItems": 1}]},
        "do": {"oneOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": true, "minItems": 1}]}}}}
    }}}}
}}`

// schema compiles the schema once; it is only read afterwards.
var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	var doc any
	if err := json.Unmarshal([]byte(schemaText), &doc); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	c.UseLoader(jsonschema.SchemeURLLoader{})
	c.UseRegexpEngine(func(text string) (jsonschema.Regexp, error) {
		if text == "with-items" {
			return itemsPattern{}, nil
		}
		return regexp.Compile(strings.ReplaceAll(text, `\w`, `[\p{L}\p{N}_]`))
	})
	if err := c.AddResource("mem:///workflow", doc); err != nil {
		return nil, err
	}
	return c.Compile("mem:///workflow")
})

var itemsForm = regexp.MustCompile(`^\s*(([\p{L}\p{N}_]+(,\s*|\s+))*[\p{L}\p{N}_]+\s+in\s+)?(\{\{.*?\}\}|<%.*?%>)\s*$`)

// itemsPattern accepts an expression, with or without names for the parts of an item.
type itemsPattern struct{}

func (itemsPattern) MatchString(s string) bool { return itemsForm.MatchString(s) }
func (itemsPattern) String() string            { return "x, y in <% expression %>" }

// syntax checks the shape of the definition.
func (d *Definition) syntax() []Problem {
	s, err := schema()
	if err != nil {
		return []Problem{{Type: "syntax", Message: "the schema of workflows cannot be used: " + err.Error()}}
	}
	doc := value.ToGo(longForms(d.doc))
	var invalid *jsonschema.ValidationError
	if err := s.Validate(doc); !errors.As(err, &invalid) {
		return nil
	}
	var out []Problem
	printer := message.NewPrinter(language.English)
	eachFailure(invalid, func(e *jsonschema.ValidationError) {
		p := Problem{Type: "syntax", Message: e.ErrorKind.LocalizedString(printer)}
		p.SpecPath, p.SchemaPath = instancePath(doc, e.InstanceLocation), schemaPath(doc, e)
		out = append(out, p)
	})
	return out
}

// longForms writes out what may be short: with: <text> is with: {items: <text>}.
func longForms(doc *value.Dict) *value.Dict {
	tasks, ok := dictAt(doc, "tasks")
	if !ok {
		return doc
	}
	doc, out := doc.Copy(), tasks.Copy()
	for name, spec := range tasks.All() {
		if t, ok := spec.(*value.Dict); ok {
			if text := textAt(t, "with"); text != "" {
				t = t.Copy()
				t.SetString("with", value.DictOf("items", text))
				_ = out.Set(name, t) // the name was a key already
			}
		}
	}
	doc.SetString("tasks", out)
	return doc
}

// eachFailure goes over the failures of keywords; alternatives are one failure.
func eachFailure(e *jsonschema.ValidationError, do func(*jsonschema.ValidationError)) {
	path := e.ErrorKind.KeywordPath()
	if len(e.Causes) == 0 || len(path) > 0 && (path[0] == "oneOf" || path[0] == "anyOf") {
		do(e)
		return
	}
	for _, c := range e.Causes {
		eachFailure(c, do)
	}
}

func instancePath(doc any, location []string) string {
	var b strings.Builder
	for _, step := range location {
		if l, ok := doc.([]any); ok {
			i, _ := strconv.Atoi(step)
			b.WriteString("[" + step + "]")
			doc = nil
			if i < len(l) {
				doc = l[i]
			}
			continue
		}
		if m, ok := doc.(map[string]any); ok {
			doc = m[step]
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(step)
	}
	return b.String()
}

// schemaPath spells where in the schema a failure lies. It is told by the instance:
// shared definitions are spelled as if they stood where they are used.
func schemaPath(doc any, e *jsonschema.ValidationError) string {
	var steps []string
	for i, step := range e.InstanceLocation {
		if _, ok := doc.([]any); ok {
			steps = append(steps, "items")
			n, _ := strconv.Atoi(step)
			if l := doc.([]any); n < len(l) {
				doc = l[n]
			}
			continue
		}
		if i == 1 && e.InstanceLocation[0] == "tasks" {
			steps = append(steps, "patternProperties", `^\w+$`)
		} else {
			steps = append(steps, "properties", step)
		}
		if m, ok := doc.(map[string]any); ok {
			doc = m[step]
		}
	}
	keyword := e.ErrorKind.KeywordPath()
	if len(keyword) == 0 {
		if _, fragment, ok := strings.Cut(e.SchemaURL, "#"); ok {
			text, _ := url.PathUnescape(fragment)
			keyword = strings.Split(strings.Trim(text, "/"), "/")
		}
	}
	return strings.Join(append(steps, keyword...), ".")
}
