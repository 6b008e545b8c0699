package packs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"petrel/engine/params"
)

// maxNodes bounds how large a metadata file may become once its aliases are
// written out; real ones have a few thousand nodes.
const maxNodes = 200_000

// file is one metadata file while it is read. It collects what is wrong.
type file struct {
	name     string
	problems []Problem
}

func (f *file) report(line int, format string, args ...any) {
	f.add(Problem{File: f.name, Line: line, Message: fmt.Sprintf(format, args...)})
}

func (f *file) warn(line int, format string, args ...any) {
	f.add(Problem{File: f.name, Line: line, Message: fmt.Sprintf(format, args...), Warning: true})
}

// add keeps a problem once, however often its field is looked at.
func (f *file) add(p Problem) {
	if !slices.Contains(f.problems, p) {
		f.problems = append(f.problems, p)
	}
}

// failed reports whether anything makes the file unusable.
func (f *file) failed() bool {
	return slices.ContainsFunc(f.problems, func(p Problem) bool { return !p.Warning })
}

// parse reads the one document of a metadata file, a mapping.
func (f *file) parse(body []byte) *object {
	dec := yaml.NewDecoder(bytes.NewReader(body))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		f.report(1, "is empty; a metadata file is a mapping of fields")
		return nil
	} else if err != nil {
		f.reportYAML(err)
		return nil
	}
	if err := dec.Decode(&second); err == nil {
		f.report(second.Line, "a second document begins here; one file holds one")
		return nil
	} else if !errors.Is(err, io.EOF) {
		f.reportYAML(err)
		return nil
	}
	s := sizer{sizes: map[*yaml.Node]int{}}
	if n, bad := s.size(&doc); bad != nil {
		f.report(bad.Line, "an alias refers to the value that contains it")
		return nil
	} else if n > maxNodes {
		f.report(1, "is too large: more than %d values once its aliases are written out", maxNodes)
		return nil
	}
	return f.object(doc.Content[0], "")
}

// reportYAML turns the YAML reader's "yaml: line 3: text" into a problem.
func (f *file) reportYAML(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if n, scanErr := fmt.Sscanf(text, "line %d:", &line); n == 1 && scanErr == nil {
		_, text, _ = strings.Cut(text, ": ")
	}
	f.report(line, "not YAML: %s", text)
}

// sizer counts the nodes of a tree with its aliases written out, and finds
// aliases that contain themselves.
type sizer struct{ sizes map[*yaml.Node]int }

func (s sizer) size(n *yaml.Node) (total int, cycle *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if size, ok := s.sizes[n]; ok {
		if size < 0 {
			return 0, n
		}
		return size, nil
	}
	s.sizes[n] = -1 // open
	total = 1
	for _, c := range n.Content {
		size, bad := s.size(c)
		if bad != nil {
			return 0, bad
		}
		total = min(total+size, maxNodes+1)
	}
	s.sizes[n] = total
	return total, nil
}

// object is a YAML mapping with its fields by name.
type object struct {
	file   *file
	path   string // dotted, "" for the whole file
	line   int
	fields map[string]fieldNode
	order  []string
}

// fieldNode is one field: the line of its key, and its value.
type fieldNode struct {
	line  int
	value *yaml.Node
}

// object reads a mapping; anything else is reported and gives nil.
func (f *file) object(n *yaml.Node, path string) *object {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		f.report(n.Line, "%s must be a mapping, but is %s", orFile(path), f.describe(n))
		return nil
	}
	o := &object{file: f, path: path, line: n.Line, fields: map[string]fieldNode{}}
	o.fill(n)
	return o
}

// fill collects the fields: merged mappings first, so that own fields win, and
// of two equal keys the last.
func (o *object) fill(n *yaml.Node) {
	n = resolve(n)
	if n.Kind == yaml.SequenceNode { // << : [*a, *b], earlier ones win
		for _, c := range slices.Backward(n.Content) {
			o.fill(c)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		o.file.report(n.Line, "<< must name a mapping, but is %s", o.file.describe(n))
		return
	}
	own := make([]int, 0, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Value == "<<" && key.Style == 0 && key.Kind == yaml.ScalarNode {
			o.fill(n.Content[i+1])
		} else {
			own = append(own, i)
		}
	}
	for _, i := range own {
		key := resolve(n.Content[i])
		name, ok := o.file.text(key)
		if !ok {
			o.file.report(key.Line, "a field name must be text, but is %s; put it in quotes", o.file.describe(key))
			continue
		}
		if _, again := o.fields[name]; !again {
			o.order = append(o.order, name)
		}
		o.fields[name] = fieldNode{line: key.Line, value: n.Content[i+1]}
	}
}

// only reports every field that is not one of the known ones.
func (o *object) only(known ...string) {
	for _, name := range o.order {
		if !slices.Contains(known, name) {
			o.file.report(o.fields[name].line, "unknown field %s; %s", o.at(name), suggestion(name, known))
		}
	}
}

// at is the full name of a field.
func (o *object) at(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// has reports whether a field is there and not null.
func (o *object) has(name string) bool {
	field, ok := o.fields[name]
	return ok && string(o.file.json(field.value)) != "null"
}

// lineOf is where a field is, or its object when it is absent.
func (o *object) lineOf(name string) int {
	if field, ok := o.fields[name]; ok {
		return field.line
	}
	return o.line
}

// must reads a required text.
func (o *object) must(name, hint string) string {
	if !o.has(name) {
		o.file.report(o.lineOf(name), "%s is missing; %s", o.at(name), hint)
		return ""
	}
	s, ok := o.file.text(o.fields[name].value)
	switch {
	case !ok:
		o.mismatch(name, "text")
	case strings.TrimSpace(s) == "":
		o.file.report(o.lineOf(name), "%s is empty; %s", o.at(name), hint)
	}
	return s
}

// text reads an optional text.
func (o *object) text(name string) string {
	if !o.has(name) {
		return ""
	}
	s, ok := o.file.text(o.fields[name].value)
	if !ok {
		o.mismatch(name, "text")
	}
	return s
}

// scalarText reads a text, or a number or boolean as it is written.
func (o *object) scalarText(name string) string {
	if !o.has(name) {
		return ""
	}
	if !o.isScalar(name) {
		o.mismatch(name, "text")
		return ""
	}
	return resolve(o.fields[name].value).Value
}

func (o *object) isScalar(name string) bool {
	return resolve(o.fields[name].value).Kind == yaml.ScalarNode
}

// flag reads a boolean.
func (o *object) flag(name string, otherwise bool) bool {
	if !o.has(name) {
		return otherwise
	}
	switch string(o.file.json(o.fields[name].value)) {
	case "true":
		return true
	case "false":
		return false
	}
	o.mismatch(name, "true or false")
	return otherwise
}

// child reads an optional mapping; nil when it is absent or none.
func (o *object) child(name string) *object {
	if !o.has(name) {
		return nil
	}
	return o.file.object(o.fields[name].value, o.at(name))
}

// mapping reads an optional mapping as JSON; nil when it is absent or none.
func (o *object) mapping(name string) json.RawMessage {
	if !o.has(name) {
		return nil
	}
	raw := o.file.json(o.fields[name].value)
	if len(raw) > 0 && raw[0] != '{' {
		o.mismatch(name, "a mapping")
		return nil
	}
	return raw
}

// texts reads an optional list of texts.
func (o *object) texts(name string) []string {
	if !o.has(name) {
		return nil
	}
	n := resolve(o.fields[name].value)
	if n.Kind != yaml.SequenceNode {
		o.mismatch(name, "a list of texts")
		return nil
	}
	list := make([]string, 0, len(n.Content))
	for _, item := range n.Content {
		s, ok := o.file.text(item)
		if !ok {
			o.file.report(item.Line, "every entry of %s must be text, but this one is %s; put it in quotes", o.at(name), o.file.describe(item))
			continue
		}
		list = append(list, s)
	}
	return list
}

func (o *object) mismatch(name, want string) {
	n := resolve(o.fields[name].value)
	hint := ""
	if want == "text" && n.Kind == yaml.ScalarNode {
		hint = "; put it in quotes"
	}
	o.file.report(n.Line, "%s must be %s, but is %s%s", o.at(name), want, o.file.describe(n), hint)
}

// json turns a node into JSON; what cannot be turned is reported and gives nil.
func (f *file) json(n *yaml.Node) json.RawMessage {
	raw, err := params.FromYAML(n)
	if err != nil {
		f.reportYAML(err)
		return nil
	}
	return raw
}

// text returns a scalar that YAML 1.1 reads as text.
func (f *file) text(n *yaml.Node) (string, bool) {
	n = resolve(n)
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	raw, err := params.FromYAML(n)
	if err != nil || len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	return n.Value, true
}

// describe says what a node is, for "but is ...".
func (f *file) describe(n *yaml.Node) string {
	n = resolve(n)
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if s, ok := f.text(n); ok {
		if len(s) > 40 {
			s = s[:40] + "..."
		}
		return fmt.Sprintf("the text %q", s)
	}
	raw, err := params.FromYAML(n)
	switch {
	case err != nil:
		return "unreadable"
	case string(raw) == "null":
		return "empty"
	case string(raw) == "true" || string(raw) == "false":
		return string(raw)
	}
	return "the number " + string(raw)
}

func orFile(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
