package packs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"petrel/engine/params"
)

// configSchema is the file that describes the configuration of a pack.
const configSchema = "config.schema.yaml"

// packConfig is what Load found of the configuration of one pack. It stays in
// memory: configurations hold secrets, which the store need not know.
type packConfig struct {
	config *params.Config
	err    error // it is there and cannot be used
}

// config reads the schema in the pack and the values in the folder of
// configurations, <ref>.yaml.
func (l *loader) config(d folder, p *Pack) {
	schema, schemaFile := l.configFile(&file{name: d.shown(configSchema)}, func() ([]byte, error) { return fs.ReadFile(d.fsys, configSchema) }, false)
	var values *object
	valuesFile := &file{}
	if d.configs != "" {
		path := filepath.Join(d.configs, p.Ref+".yaml")
		values, valuesFile = l.configFile(&file{name: path}, func() ([]byte, error) { return os.ReadFile(path) }, true)
	}
	if _, err := fs.Stat(d.fsys, "config.yaml"); err == nil && d.configs != "" {
		schemaFile.problems = append(schemaFile.problems, Problem{File: d.shown("config.yaml"), Warning: true,
			Message: fmt.Sprintf("is not read; the configuration of the pack belongs into %s", filepath.Join(d.configs, p.Ref+".yaml"))})
	}
	c := compileConfig(p.Ref, schema, values)
	l.content.Problems = append(append(l.content.Problems, schemaFile.problems...), valuesFile.problems...)
	for _, f := range []*file{schemaFile, valuesFile} {
		for _, problem := range f.problems {
			if !problem.Warning {
				c = &packConfig{err: errors.New(problem.String())}
			}
		}
	}
	if c != nil {
		l.content.configs[p.Ref] = c
	}
}

// configFile reads one of the two files; nil when there is none. Only the file
// of values may be empty.
func (l *loader) configFile(f *file, read func() ([]byte, error), mayBeEmpty bool) (*object, *file) {
	body, err := read()
	switch {
	case err != nil && isAbsent(err):
		return nil, f
	case err != nil:
		f.report(0, "cannot be read: %s", reason(err))
		return nil, f
	}
	var doc yaml.Node
	if mayBeEmpty && yaml.Unmarshal(body, &doc) == nil && doc.Kind == 0 {
		return nil, f
	}
	return f.parse(body), f
}

// compileConfig puts the two together and reports what is wrong with them.
func compileConfig(ref string, schema, values *object) *packConfig {
	if schema == nil && values == nil {
		return nil
	}
	c, err := params.CompileConfig(ref, schema.json(), nil)
	if err != nil {
		schema.reportItem(err)
		return nil
	}
	if values == nil {
		return &packConfig{config: c}
	}
	if c, err = params.CompileConfig(ref, schema.json(), values.json()); err == nil {
		err = c.Validate()
	}
	if err != nil {
		values.reportItem(err)
		return nil
	}
	return &packConfig{config: c}
}

// json is the whole object; nil for none.
func (o *object) json() json.RawMessage {
	if o == nil {
		return nil
	}
	body := []byte{'{'}
	for i, name := range o.order {
		raw := o.file.json(o.fields[name].value)
		if raw == nil {
			return nil // reported
		}
		if i > 0 {
			body = append(body, ',')
		}
		key, err := json.Marshal(name)
		if err != nil { // a string always encodes
			panic(err)
		}
		body = append(append(append(body, key...), ':'), raw...)
	}
	return append(body, '}')
}

// reportItem reports what is wrong with one item, at its line.
func (o *object) reportItem(err error) {
	line := o.line
	var item *params.ItemError
	if errors.As(err, &item) {
		name, _, _ := strings.Cut(item.Item, ".")
		line = o.lineOf(name)
	}
	o.file.report(line, "%s", err)
}
