package mistral

import (
	"bytes"

	"gopkg.in/yaml.v3"

	"petrel/engine/expression/value"
)

// writeYAML writes a value with its keys in their order.
func writeYAML(v any) ([]byte, error) {
	n, err := node(v)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

func node(v any) (*yaml.Node, error) {
	switch x := v.(type) {
	case *value.Dict:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for k, item := range x.All() {
			key, err := node(k)
			if err != nil {
				return nil, err
			}
			val, err := node(item)
			if err != nil {
				return nil, err
			}
			if k == "version" && item == "1.0" {
				val = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: "1.0"}
			}
			n.Content = append(n.Content, key, val)
		}
		return n, nil
	case *value.List:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range x.Items {
			val, err := node(item)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, val)
		}
		return n, nil
	}
	n := &yaml.Node{}
	return n, n.Encode(value.ToGo(v))
}
