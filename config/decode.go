package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// decoder fills a configuration struct from one file and collects everything
// that is wrong on the way.
type decoder struct {
	file     string // as shown in messages
	dir      string // relative paths of the file start here
	origins  map[string]origin
	problems Problems
}

func (d *decoder) report(n *yaml.Node, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{
		Where:   fmt.Sprintf("%s:%d", d.file, n.Line),
		Key:     key,
		Message: fmt.Sprintf(format, args...),
	})
}

// section decodes a mapping into a struct.
func (d *decoder) section(n *yaml.Node, into reflect.Value, path string) {
	n = resolve(n)
	if n.Tag == "!!null" {
		return // a section with everything commented out
	}
	known := children(into, path)
	if n.Kind != yaml.MappingNode {
		d.report(n, path, "must be a mapping with the keys %s, but is %s", strings.Join(names(known), ", "), describe(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(known, func(f field) bool { return f.name() == key.Value })
		full := strings.TrimPrefix(path+"."+key.Value, ".")
		switch {
		case at < 0:
			d.report(key, full, "unknown key; %s", suggestion(key.Value, names(known)))
			continue
		case seen[key.Value] > 0:
			d.report(key, full, "is set twice, first in line %d; remove one", seen[key.Value])
			continue
		}
		seen[key.Value] = key.Line
		d.value(value, known[at])
	}
}

// value decodes one key.
func (d *decoder) value(n *yaml.Node, f field) {
	n = resolve(n)
	if f.value.Kind() == reflect.Struct {
		if f.path == "store" && n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
			d.value(n, children(f.value, f.path)[0]) // store: sqlite:PATH
			return
		}
		d.section(n, f.value, f.path)
		return
	}
	if f.isRows() {
		d.rows(n, f)
		return
	}
	if people, ok := f.value.Interface().(People); ok {
		d.people(n, people, f.path)
		return
	}
	if n.Tag == "!!null" {
		d.report(n, f.path, "has no value; give one (%s) or remove the line", f.typeName())
		return
	}
	if err := d.leaf(n, f); err != nil {
		d.report(n, f.path, "%s", err)
		return
	}
	d.origins[f.path] = origin{file: d.file, line: n.Line}
}

// rows decodes a list of mappings.
func (d *decoder) rows(n *yaml.Node, f field) {
	if n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.report(n, f.path, "must be a list of mappings, but is %s; begin each entry with -", describe(n))
		return
	}
	list := reflect.MakeSlice(f.value.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		path := fmt.Sprintf("%s[%d]", f.path, i)
		d.origins[path] = origin{file: d.file, line: item.Line}
		d.section(item, list.Index(i), path)
	}
	f.value.Set(list)
}

func (d *decoder) leaf(n *yaml.Node, f field) error {
	if _, isList := f.value.Interface().([]string); isList {
		if n.Kind != yaml.SequenceNode {
			return fmt.Errorf("must be a list (%s), but is %s; write [a, b]", f.typeName(), describe(n))
		}
		list := make([]string, 0, len(n.Content))
		for _, item := range n.Content {
			item = resolve(item)
			if item.Kind != yaml.ScalarNode || item.Tag != "!!str" {
				return fmt.Errorf("entry %d must be text, but is %s", len(list)+1, describe(item))
			}
			list = append(list, item.Value)
		}
		return setList(f, list, d.dir)
	}
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("must be %s, but is %s", article(f.typeName()), describe(n))
	}
	switch f.value.Interface().(type) {
	case bool:
		if n.Tag != "!!bool" {
			return fmt.Errorf("must be true or false, but is %s", describe(n))
		}
	case int:
		if n.Tag != "!!int" {
			return fmt.Errorf("must be a whole number, but is %s", describe(n))
		}
	case Size:
		if n.Tag != "!!int" && n.Tag != "!!str" {
			return fmt.Errorf("must be a size such as 1MiB, but is %s", describe(n))
		}
	case Duration:
		if n.Tag != "!!str" {
			return fmt.Errorf("must be a duration with its unit, such as 10s, but is %s", describe(n))
		}
	default:
		if n.Tag != "!!str" {
			return fmt.Errorf("must be %s, but is %s; put it in quotes if you mean the text", article(f.typeName()), describe(n))
		}
	}
	return setText(f, n.Value, d.dir)
}

// setText sets a key from its text: a YAML scalar, an environment variable or a
// command-line value. Relative paths start at dir.
func setText(f field, text, dir string) error {
	switch f.value.Interface().(type) {
	case Duration:
		v, err := parseDuration(text)
		if err != nil {
			return err
		}
		f.value.SetInt(int64(v))
	case Size:
		v, err := parseSize(text)
		if err != nil {
			return err
		}
		f.value.SetInt(int64(v))
	case int:
		v, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("must be a whole number, but is %q", text)
		}
		f.value.SetInt(int64(v))
	case bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("must be true or false, but is %q", text)
		}
		f.value.SetBool(text == "true")
	case People:
		return setPeople(f, text)
	case []string:
		list := []string{}
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		return setList(f, list, dir)
	default:
		if e := f.enum(); e != nil && !slices.Contains(e, text) {
			return fmt.Errorf("%q is not possible; write one of %s", text, strings.TrimPrefix(strings.Join(e, ", "), ", "))
		}
		if f.path == "store.url" {
			text = inStoreURL(text, dir)
		} else if f.isPath() {
			text = inDir(text, dir)
		}
		f.value.SetString(text)
	}
	return nil
}

func setList(f field, list []string, dir string) error {
	if f.isPath() {
		for i, p := range list {
			list[i] = inDir(p, dir)
		}
	}
	f.value.Set(reflect.ValueOf(list))
	return nil
}

// inDir makes a relative path start at dir.
func inDir(path, dir string) string {
	if path == "" || filepath.IsAbs(path) || dir == "" || dir == "." {
		return path
	}
	return filepath.Join(dir, path)
}

func inStoreURL(url, dir string) string {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok && path != "" {
		return "sqlite:" + inDir(path, dir)
	}
	return url
}

func names(fields []field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name()
	}
	return out
}

// resolve follows an alias to what it stands for.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// describe says what a node is, for "but is ...".
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "empty"
	case n.Tag == "!!int" || n.Tag == "!!float":
		return "the number " + n.Value
	case n.Tag == "!!str":
		return fmt.Sprintf("the text %q", n.Value)
	}
	return n.Value
}

func article(noun string) string {
	switch noun {
	case "path", "duration", "size", "whole number", "secret":
		return "a " + noun
	}
	return noun
}
