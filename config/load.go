package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// FileName is the configuration file that is read from the working folder when
// no other is named.
const FileName = "petrel.yaml"

// LoadOptions say where a configuration comes from. Later sources win: the
// defaults, the file, Env, Set.
type LoadOptions struct {
	// Path is the configuration file, which must exist. Empty: the variable
	// PETREL_CONFIG of Env, else FileName in Dir if there is one.
	Path string
	// Env is the environment, as os.Environ gives it.
	Env []string
	// Dir is the working folder; empty means the process's.
	Dir string
	// Set holds key paths and values given on the command line.
	Set map[string]string
}

// Load returns the effective configuration. The error is of type Problems when
// the sources could be read but are wrong. Relative paths in a file start at the
// folder of that file, all others at the working folder.
func Load(o LoadOptions) (*Config, error) {
	env := petrelEnv(o.Env)
	path, err := o.file(env)
	if err != nil {
		return nil, err
	}
	c := Default()
	c.DataDir = inDir(c.DataDir, o.Dir)
	var problems Problems
	if path != "" {
		body, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		problems = append(problems, c.decodeFile(path, body)...)
	}
	problems = append(problems, c.decodeEnv(env, o.Dir)...)
	for _, key := range slices.Sorted(maps.Keys(o.Set)) {
		if p := c.set(key, o.Set[key], o.Dir, origin{file: "command line"}); p != nil {
			problems = append(problems, *p)
		}
	}
	if len(problems) == 0 {
		c.validate(func(key, format string, args ...any) {
			problems = append(problems, Problem{Where: c.originOf(key).String(), Key: key, Message: fmt.Sprintf(format, args...)})
		})
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return c, nil
}

// originOf is where a key was set, or the row of a list that lacks it.
func (c *Config) originOf(key string) origin {
	row, _, _ := strings.Cut(key, "].")
	if _, set := c.origins[key]; !set && row != key {
		key = row + "]"
	}
	return c.origins[key]
}

// Check reports what is wrong with a configuration file by itself, without the
// environment. The error is of type Problems, or says why the file is unreadable.
func Check(path string) error {
	_, err := Load(LoadOptions{Path: path})
	return err
}

// file finds the configuration file; empty when there is none.
func (o LoadOptions) file(env map[string]string) (string, error) {
	if o.Path != "" {
		return inDir(o.Path, o.Dir), nil
	}
	if p := env["PETREL_CONFIG"]; p != "" {
		return inDir(p, o.Dir), nil
	}
	path := filepath.Join(o.Dir, FileName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", fmt.Errorf("look for configuration: %w", err)
	}
	return path, nil
}

// decodeFile applies a YAML document.
func (c *Config) decodeFile(path string, body []byte) Problems {
	d := &decoder{file: path, dir: filepath.Dir(path), origins: c.origins}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // empty or all comments
	} else if err != nil {
		return Problems{syntaxProblem(path, err)}
	}
	d.section(doc.Content[0], reflect.ValueOf(c).Elem(), "")
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		d.report(&second, "", "a second document begins here; keep everything in one")
	} else if !errors.Is(err, io.EOF) {
		return append(d.problems, syntaxProblem(path, err))
	}
	return d.problems
}

// syntaxProblem turns the YAML library's "yaml: line 3: text" into file:line.
func syntaxProblem(path string, err error) Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if n, scanErr := fmt.Sscanf(text, "line %d:", &line); n == 1 && scanErr == nil {
		_, text, _ = strings.Cut(text, ": ")
	}
	return Problem{Where: fmt.Sprintf("%s:%d", path, line), Message: "not YAML: " + text}
}

// petrelEnv picks the variables that are meant for the program. A container
// platform that runs a service called petrel sets PETREL_PORT... and
// PETREL_SERVICE_... by itself; those are not.
func petrelEnv(environ []string) map[string]string {
	env := map[string]string{}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		foreign := name == "PETREL_PORT" || strings.HasPrefix(name, "PETREL_PORT_") ||
			strings.HasPrefix(name, "PETREL_SERVICE_") || strings.HasPrefix(name, "PETREL_TEST_")
		if strings.HasPrefix(name, "PETREL_") && !foreign {
			env[name] = value
		}
	}
	return env
}

func (c *Config) decodeEnv(env map[string]string, dir string) Problems {
	keys := map[string]string{"PETREL_STORE": "store.url"}
	for _, k := range Keys() {
		keys[k.Env] = k.Path
	}
	var problems Problems
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if name == "PETREL_CONFIG" {
			continue
		}
		path, ok := keys[name]
		if !ok {
			problems = append(problems, Problem{
				Where:   "environment " + name,
				Message: "unknown variable; " + suggestion(name, slices.Sorted(maps.Keys(keys))),
			})
			continue
		}
		if p := c.set(path, env[name], dir, origin{file: "environment", name: name}); p != nil {
			problems = append(problems, *p)
		}
	}
	return problems
}

// set applies one value given as text.
func (c *Config) set(path, text, dir string, from origin) *Problem {
	fields := fieldsOf(reflect.ValueOf(c).Elem(), "")
	at := slices.IndexFunc(fields, func(f field) bool { return f.path == path })
	if at < 0 {
		known := make([]string, len(fields))
		for i, f := range fields {
			known[i] = f.path
		}
		return &Problem{Where: from.String(), Key: path, Message: "unknown key; " + suggestion(path, known)}
	}
	if err := setText(fields[at], text, dir); err != nil {
		return &Problem{Where: from.String(), Key: path, Message: err.Error()}
	}
	c.origins[path] = from
	return nil
}
