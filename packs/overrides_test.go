package packs

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// Overrides switch single entities and whole kinds, the pack's own file over the
// global one.
func TestOverrides(t *testing.T) {
	tree := fstest.MapFS{
		"p/pack.yaml":         {Data: []byte(goodPack)},
		"p/actions/a.yaml":    {Data: []byte("name: a\nrunner_type: noop\n")},
		"p/actions/b.yaml":    {Data: []byte("name: b\nrunner_type: noop\nenabled: false\n")},
		"p/rules/r.yaml":      {Data: []byte("name: r\nenabled: true\ntrigger: {type: q.t}\naction: {ref: p.a}\n")},
		"p/aliases/l.yaml":    {Data: []byte("name: l\naction_ref: p.a\nformats: [a]\n")},
		"p/sensors/s.yaml":    {Data: []byte("class_name: S\nentry_point: s.py\n")},
		"p/sensors/other.yml": {Data: []byte("class_name: T\nentry_point: s.py\n")},
		"p/sensors/s.py":      {Data: []byte("")},
	}
	dir := t.TempDir()
	write := func(name, body string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() *Content {
		return Load(context.Background(), []Source{{FS: tree, Dir: "one", Overrides: dir}}, testRunners(), Checks{})
	}
	write("_global.yaml", "rules:\n  defaults: {enabled: false}\n  exceptions: {r: {enabled: true}}\nsensors:\n  defaults: {enabled: false}\n")
	write("p.yaml", "actions:\n  exceptions: {a: {enabled: false}, b: {enabled: true}}\naliases:\n  defaults: {enabled: false}\nsensors:\n  exceptions: {S: {enabled: true}}\n")
	c := load()
	got := map[string]bool{}
	for _, a := range c.Actions {
		got["action "+a.Name] = a.Enabled
	}
	for _, s := range c.Sensors {
		got["sensor "+s.Name] = s.Enabled
	}
	got["rule"], got["alias"] = c.Rules[0].Enabled, c.Aliases[0].Enabled
	for what, want := range map[string]bool{
		"action a": false, "action b": true, "rule": false, "alias": false, "sensor S": true, "sensor T": false,
	} {
		if got[what] != want {
			t.Errorf("%s: enabled is %v", what, got[what])
		}
	}
	write("p.yaml", "actions:\n  exceptions: {a: {runner_type: noop}}\nthings: {}\n")
	text := ""
	for _, p := range load().Problems {
		text += p.String() + "\n"
	}
	for _, want := range []string{"p.yaml:2: unknown field actions.exceptions.a.runner_type", "p.yaml:3: unknown field things"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not among\n%s", want, text)
		}
	}
}
