package params

import (
	"encoding/json"

	"gopkg.in/yaml.v3"

	"petrel/engine/expression/value"
)

// FromYAML turns a YAML node into JSON by the rules that all content is read
// with: YAML 1.1 types, merge keys, the last of two equal keys wins, key order
// kept. Errors name the line, as "yaml: line N: ...".
func FromYAML(n *yaml.Node) (json.RawMessage, error) {
	v, err := value.FromYAML(n)
	if err != nil {
		return nil, err
	}
	return value.AppendJSON(nil, v)
}
