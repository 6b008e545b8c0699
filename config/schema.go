package config

import (
	"reflect"
	"strings"
)

// Key describes one key of the configuration.
type Key struct {
	Path    string // dotted: http.listen; of a row of a list: webhooks[].name
	Env     string // PETREL_HTTP__LISTEN; rows have none
	Type    string // text, path, whole number, duration, size, one of a|b, list of paths, secret
	Default string // as it would be written in YAML
	Doc     string
}

// Keys returns every key, in the order of the file.
func Keys() []Key {
	return keysOf(reflect.ValueOf(Default()).Elem(), "")
}

func keysOf(v reflect.Value, prefix string) []Key {
	var keys []Key
	for _, f := range children(v, prefix) {
		switch {
		case f.value.Kind() == reflect.Struct:
			keys = append(keys, keysOf(f.value, f.path)...)
			continue
		case f.isRows():
			keys = append(keys, keysOf(reflect.New(f.value.Type().Elem()).Elem(), f.path+"[]")...)
			continue
		}
		k := Key{Path: f.path, Type: f.typeName(), Default: plain(f.value), Doc: f.tag.Get("doc")}
		if !strings.Contains(f.path, "[]") {
			k.Env = envName(f.path)
		}
		keys = append(keys, k)
	}
	return keys
}

// envName is the rule that names the environment variable of a key.
func envName(path string) string {
	return "PETREL_" + strings.ToUpper(strings.ReplaceAll(path, ".", "__"))
}

// field is a leaf of a configuration struct.
type field struct {
	path  string
	value reflect.Value
	tag   reflect.StructTag
}

// fieldsOf returns the leaves below a struct, in order. Lists of rows are left
// out: they are set in the file only.
func fieldsOf(v reflect.Value, prefix string) []field {
	var fields []field
	for _, f := range children(v, prefix) {
		switch {
		case f.value.Kind() == reflect.Struct:
			fields = append(fields, fieldsOf(f.value, f.path)...)
		case !f.isRows():
			fields = append(fields, f)
		}
	}
	return fields
}

// children returns the keys directly below a struct, sections included.
func children(v reflect.Value, prefix string) []field {
	var fields []field
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		name := sf.Tag.Get("yaml")
		if name == "" {
			continue
		}
		if prefix != "" {
			name = prefix + "." + name
		}
		fields = append(fields, field{path: name, value: v.Field(i), tag: sf.Tag})
	}
	return fields
}

func (f field) name() string { return f.path[strings.LastIndexByte(f.path, '.')+1:] }

func (f field) enum() []string {
	if e := f.tag.Get("enum"); e != "" {
		return strings.Split(e, ",")
	}
	return nil
}

// isRows reports whether a key is a list of mappings with keys of their own.
func (f field) isRows() bool {
	return f.value.Kind() == reflect.Slice && f.value.Type().Elem().Kind() == reflect.Struct
}

func (f field) isPath() bool { return f.tag.Get("kind") == "path" }

// isSecret reports that the texts of a list are secret; a single text is of type
// Secret.
func (f field) isSecret() bool { return f.tag.Get("kind") == "secret" }

// typeName says in words what a value must be.
func (f field) typeName() string {
	if f.enum() != nil {
		return "one of " + strings.TrimPrefix(strings.Join(f.enum(), "|"), "|")
	}
	switch f.value.Interface().(type) {
	case Duration:
		return "duration"
	case Size:
		return "size"
	case Secret:
		return "secret"
	case URL:
		return "URL"
	case []string:
		if f.isPath() {
			return "list of paths"
		}
		if f.isSecret() {
			return "list of secrets"
		}
		return "list of texts"
	case People:
		return "mapping of people"
	case bool:
		return "true or false"
	case int:
		return "whole number"
	}
	if f.isPath() {
		return "path"
	}
	return "text"
}
