package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"petrel/engine/expression/value"
)

// lines maps the places of a file, such as tasks.t1.next[0], to line numbers.
type lines map[string]int

// find gives the line of the innermost part of a path that is known.
func (l lines) find(path string) int {
	for {
		if n, ok := l[path]; ok {
			return n
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return l[""]
		}
		path = path[:cut]
	}
}

// parseYAML reads one document as PyYAML does, but refuses keys that stand twice
// in a map, and notes where everything is.
func parseYAML(text []byte) (any, lines, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil, errors.New("the definition is empty")
		}
		return nil, nil, err
	}
	if err := dec.Decode(&more); err == nil {
		return nil, nil, fmt.Errorf("yaml: line %d: expected a single document", more.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	l := lines{}
	if err := l.walk(&doc, "", 0); err != nil {
		return nil, nil, err
	}
	v, err := value.FromYAML(&doc)
	return v, l, err
}

// maxNoted bounds how many places are noted: aliases can make a small file huge.
const maxNoted = 100_000

func (l lines) walk(n *yaml.Node, path string, depth int) error {
	if depth > 100 || len(l) > maxNoted {
		return nil // FromYAML refuses what is nested deeper; what is not noted has the line of its parent
	}
	if _, known := l[path]; !known {
		l[path] = n.Line
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) > 0 {
			return l.walk(n.Content[0], path, depth+1)
		}
	case yaml.AliasNode:
		return l.walk(n.Alias, path, depth+1)
	case yaml.SequenceNode:
		for i, c := range n.Content {
			if err := l.walk(c, path+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
				return err
			}
		}
	case yaml.MappingNode:
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if k.Kind != yaml.ScalarNode {
				continue
			}
			if first, twice := seen[k.Value]; twice && k.Tag != "!!merge" {
				return fmt.Errorf("yaml: line %d: the key %q is already in this map, on line %d", k.Line, k.Value, first)
			}
			seen[k.Value] = k.Line
			at := k.Value
			if path != "" {
				at = path + "." + k.Value
			}
			l[at] = k.Line
			if err := l.walk(v, at, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
