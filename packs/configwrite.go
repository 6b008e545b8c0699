package packs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"petrel/engine/expression/value"
)

// ConfigView is the configuration of a pack as people may see it.
type ConfigView struct {
	Schema json.RawMessage // as the pack has it; nil for none
	Values *value.Dict     // as they are written, secret ones hidden
	Err    error           // why they cannot be used
}

// ReadConfig reads the configuration of a pack; values are in the file path.
func ReadConfig(p *Pack, path string) ConfigView {
	l := &loader{content: &Content{configs: map[string]*packConfig{}}}
	d := folder{fsys: os.DirFS(p.Path), name: filepath.Base(p.Path), dir: p.Path, configs: filepath.Dir(path)}
	l.config(d, p)
	view := ConfigView{Values: value.NewDict(0)}
	schema, _ := l.configFile(&file{name: configSchema}, func() ([]byte, error) { return os.ReadFile(filepath.Join(p.Path, configSchema)) }, false)
	view.Schema = schema.json()
	if c := l.content.configs[p.Ref]; c != nil {
		if view.Err = c.err; c.config != nil {
			view.Values = c.config.Masked()
		}
	}
	return view
}

// WriteConfig changes items of the configuration of a pack, in the file path: a
// nil value removes the item. Comments and order of what is there stay. When the
// outcome does not fit the pack's schema, nothing is written.
func WriteConfig(p *Pack, path string, changes map[string]any) error {
	before, err := os.ReadFile(path)
	if err != nil && !isAbsent(err) {
		return fmt.Errorf("configuration of pack %s: %w", p.Ref, err)
	}
	after, err := changeYAML(before, changes)
	if err != nil {
		return fmt.Errorf("configuration of pack %s: %s: %w", p.Ref, path, err)
	}
	dir, err := os.MkdirTemp("", "petrel-config-")
	if err != nil {
		return fmt.Errorf("configuration of pack %s: %w", p.Ref, err)
	}
	defer os.RemoveAll(dir)
	trial := filepath.Join(dir, p.Ref+".yaml")
	if err := os.WriteFile(trial, after, 0o600); err != nil {
		return fmt.Errorf("configuration of pack %s: %w", p.Ref, err)
	}
	if view := ReadConfig(p, trial); view.Err != nil {
		return errors.New(strings.ReplaceAll(view.Err.Error(), trial, path))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("configuration of pack %s: %w", p.Ref, err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, after, 0o640); err != nil {
		return fmt.Errorf("configuration of pack %s: %w", p.Ref, err)
	}
	return os.Rename(temporary, path)
}

// changeYAML sets items of a mapping.
func changeYAML(before []byte, changes map[string]any) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(before, &doc); err != nil {
		return nil, err
	}
	root := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) > 0 && doc.Content[0].Tag != "!!null" {
		root = doc.Content[0]
	}
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("it is no mapping")
	}
	for _, name := range sortedNames(changes) {
		i := 0
		for i < len(root.Content) && root.Content[i].Value != name {
			i += 2
		}
		if changes[name] == nil {
			if i < len(root.Content) {
				root.Content = slices.Delete(root.Content, i, i+2)
			}
			continue
		}
		var node yaml.Node
		if err := node.Encode(changes[name]); err != nil {
			return nil, err
		}
		if i < len(root.Content) {
			root.Content[i+1] = &node
		} else {
			root.Content = append(root.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, &node)
		}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, err
	}
	return out.Bytes(), enc.Close()
}

func sortedNames(m map[string]any) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
