package packs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

const somePack = "name: p\ndescription: d\nauthor: a\nversion: 1.0.0\n"

// loadConfig loads a pack p with a schema and a configuration; "" leaves out a file.
func loadConfig(t *testing.T, schema, values string) (*Content, string) {
	t.Helper()
	dir := t.TempDir()
	if values != "" {
		if err := os.WriteFile(filepath.Join(dir, "p.yaml"), []byte(values), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := fstest.MapFS{"p/pack.yaml": {Data: []byte(somePack)}}
	if schema != "" {
		files["p/config.schema.yaml"] = &fstest.MapFile{Data: []byte(schema)}
	}
	return Load(t.Context(), []Source{{FS: files, Configs: dir}}, testRunners(), Checks{}), dir
}

func TestConfig(t *testing.T) {
	for _, c := range []struct{ name, schema, values, want, problem string }{
		{"neither", "", "", "", ""},
		{"schema only", "a:\n  default: d\n", "", `{"a": "d"}`, ""},
		{"values only", "", "a: 0x10\nb: yes\n", `{"a": 16, "b": true}`, ""},
		{"both", "a:\n  default: d\nb:\n  type: integer\n", "b: 5\n", `{"b": 5, "a": "d"}`, ""},
		{"empty values", "a:\n  default: d\n", "# nothing yet\n", `{"a": "d"}`, ""},
		{"empty schema", "# nothing\n", "", "", "p/config.schema.yaml:1: is empty"},
		{"bad schema", "x:\n  type: string\na:\n  type: text\n", "", "", "p/config.schema.yaml:3: a: "},
		{"bad value", "x: {}\na:\n  type: integer\n", "x: 1\na: five\n", "", "p.yaml:2: a: "},
		{"missing value", "a:\n  required: true\n  type: string\n", "b: 1\n", "", "p.yaml:1: "},
		{"not YAML", "", "a: [\n", "", "p.yaml:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			content, _ := loadConfig(t, c.schema, c.values)
			var problems []string
			for _, p := range content.Problems {
				problems = append(problems, p.String())
			}
			if c.problem == "" != (len(problems) == 0) || !strings.Contains(strings.Join(problems, "\n"), c.problem) {
				t.Errorf("problems %q, want %q", problems, c.problem)
			}
			snapshot := newSnapshot(&registered{}, nil, content.configs)
			config, err := snapshot.Config("p")
			switch {
			case c.problem != "":
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("error %v, want %s", err, c.problem)
				}
			case err != nil:
				t.Error(err)
			case c.want == "":
				if config != nil {
					t.Error("there is a configuration")
				}
			default:
				d, err := config.Resolve(t.Context(), expression.New(expression.Options{}))
				if text, dumpErr := value.DumpJSON(d, value.JSONOptions{}); err != nil || dumpErr != nil || text != c.want {
					t.Errorf("got %s %v %v, want %s", text, err, dumpErr, c.want)
				}
			}
		})
	}
}

// A configuration that breaks keeps what it was, until it is sound again.
func TestConfigBreaks(t *testing.T) {
	l := NewLibrary(openStore(t))
	port := func() string {
		t.Helper()
		config, err := l.Snapshot().Config("p")
		if err != nil {
			return err.Error()
		}
		d, err := config.Resolve(t.Context(), expression.New(expression.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		v, _ := d.GetString("port")
		return value.Str(v)
	}
	const schema = "port:\n  type: integer\n"
	for _, c := range []struct{ values, want string }{
		{"port: x\n", "the configuration of pack p cannot be used"},
		{"port: 1\n", "1"},
		{"port: x\n", "1"},
		{"port: 2\n", "2"},
	} {
		content, _ := loadConfig(t, schema, c.values)
		if _, err := l.Register(t.Context(), content); err != nil {
			t.Fatal(err)
		}
		if got := port(); !strings.Contains(got, c.want) {
			t.Errorf("%q: got %s, want %s", c.values, got, c.want)
		}
	}
}
