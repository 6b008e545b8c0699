package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// People are the persons that the program knows, by the name of their user.
type People map[string]Person

// Person is who a user is in chat and what groups they are in.
type Person struct {
	// Chat lists what the person is called: PLATFORM:ID or PLATFORM:@name
	// ("slack:U024BE7LH", "discord:@ann"), or an e-mail address, which holds on
	// every platform that tells it. Empty: whoever has the user's name as login.
	Chat   []string `yaml:"chat"`
	Groups []string `yaml:"groups"`
}

// people decodes the mapping of names and persons.
func (d *decoder) people(n *yaml.Node, into People, path string) {
	if n = resolve(n); n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.report(n, path, "must be a mapping of user names and what is known of them, but is %s", describe(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if _, again := into[key.Value]; again && d.origins[path+"."+key.Value].file == d.file {
			d.report(key, path, "%s is there twice; remove one", key.Value)
			continue
		}
		p := Person{Chat: []string{}, Groups: []string{}}
		d.section(value, reflect.ValueOf(&p).Elem(), path+"."+key.Value)
		d.origins[path+"."+key.Value] = origin{file: d.file, line: key.Line}
		into[key.Value] = p
	}
	d.origins[path] = origin{file: d.file, line: n.Line}
}

// setPeople reads the mapping from one text, as the environment gives it.
func setPeople(f field, text string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
		return fmt.Errorf("must be a mapping such as {ann: {chat: [slack:U024BE7LH], groups: [ops]}}")
	}
	d := &decoder{origins: map[string]origin{}}
	people := People{}
	d.people(doc.Content[0], people, f.path)
	if len(d.problems) > 0 {
		return fmt.Errorf("%s: %s", d.problems[0].Key, d.problems[0].Message)
	}
	f.value.Set(reflect.ValueOf(people))
	return nil
}

// node is the mapping as YAML, in the order of the names.
func (p People) node(path string, origins map[string]origin) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	if len(p) == 0 {
		node.Style = yaml.FlowStyle
	}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		person := p[name]
		node.Content = append(node.Content, textNode(name), structNode(reflect.ValueOf(&person).Elem(), path+"."+name, origins))
	}
	return node
}

// validate checks what people are called.
func (p People) validate(report func(key, format string, args ...any)) {
	owner := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if name == "" || strings.ContainsFunc(name, isSpace) {
			report("people", "%q is no name of a user; use one word", name)
		}
		for _, id := range p[name].Chat {
			platform, who, ok := strings.Cut(id, ":")
			mail := strings.Contains(id, "@") && !ok
			if !mail && (platform == "" || who == "" || who == "@") {
				report("people."+name+".chat", "%q says neither who nor where; write for example slack:U024BE7LH, discord:@ann, or ann@example.org", id)
			}
			if other := owner[strings.ToLower(id)]; other != "" {
				report("people."+name+".chat", "%s is %s already; one of them must go", id, other)
			}
			owner[strings.ToLower(id)] = name
		}
	}
}
