package config

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Print writes the effective configuration as YAML that Load accepts. Secrets
// are masked; a value that is not a default has a comment that says where it was set.
func (c *Config) Print(w io.Writer) error {
	return printStruct(w, reflect.ValueOf(c).Elem(), c.origins)
}

func printStruct(w io.Writer, v reflect.Value, origins map[string]origin) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(structNode(v, "", origins)); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return enc.Close()
}

func structNode(v reflect.Value, path string, origins map[string]origin) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range children(v, path) {
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.name()}
		var value *yaml.Node
		switch {
		case f.value.Kind() == reflect.Struct:
			value = structNode(f.value, f.path, origins)
		case f.isRows():
			value = rowsNode(f, origins)
		case f.value.Type() == reflect.TypeFor[People]():
			value = f.value.Interface().(People).node(f.path, origins)
		default:
			value = leafNode(f.value)
			if f.isSecret() {
				for _, item := range value.Content {
					item.Value = mask
				}
			}
			if from, ok := origins[f.path]; ok {
				value.LineComment = from.String()
			}
		}
		node.Content = append(node.Content, key, value)
	}
	return node
}

func rowsNode(f field, origins map[string]origin) *yaml.Node {
	node := &yaml.Node{Kind: yaml.SequenceNode}
	if f.value.Len() == 0 {
		node.Style = yaml.FlowStyle
	}
	for i := range f.value.Len() {
		node.Content = append(node.Content, structNode(f.value.Index(i), fmt.Sprintf("%s[%d]", f.path, i), origins))
	}
	return node
}

func leafNode(v reflect.Value) *yaml.Node {
	if people, ok := v.Interface().(People); ok {
		return people.node("", nil)
	}
	if list, ok := v.Interface().([]string); ok {
		node := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, item := range list {
			node.Content = append(node.Content, textNode(item))
		}
		return node
	}
	switch v.Kind() {
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	case reflect.Int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	}
	return textNode(fmt.Sprint(v.Interface())) // Duration, Size and Secret print themselves
}

func textNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// plain is the YAML text of one value.
func plain(v reflect.Value) string {
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	if err := enc.Encode(leafNode(v)); err != nil {
		return fmt.Sprint(v.Interface())
	}
	return strings.TrimSuffix(b.String(), "\n")
}
