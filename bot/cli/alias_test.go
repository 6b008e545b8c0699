package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"petrel/bot/chatops"
)

// runIn runs the program in a folder of its own and returns what it printed.
func runIn(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	t.Chdir(dir)
	var out bytes.Buffer
	code := Main(args, strings.NewReader(""), &out, &out)
	return out.String(), code
}

// writeFiles makes files below a folder.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const manifest = "ref: web\nname: web\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: a pack\n"

func deployPack(t *testing.T) string {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"petrel.yaml":                   "packs: [packs]\n",
		"packs/web/pack.yaml":           manifest,
		"packs/web/actions/d.yaml":      "name: deploy\nrunner_type: noop\nenabled: true\nparameters:\n  app: {type: string, required: true}\n  n: {type: integer}\n  key: {type: string, secret: true}\n  env: {type: string, required: true, enum: [dev, prod]}\n",
		"packs/web/aliases/deploy.yaml": "name: deploy\naction_ref: web.deploy\nformats: [\"deploy {{ app }} to {{ env }}\"]\n",
	})
	return dir
}

func TestAliasTest(t *testing.T) {
	dir := deployPack(t)
	for _, tt := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"deploy shop to prod n=3 key=hidden"}, 0, []string{"web.deploy", `"shop"`, " 3\n", `"********"`}},
		{[]string{"deploy shop to"}, 0, []string{"missing  env"}},
		{[]string{"deploy shop to moon"}, 1, []string{"must be one of dev, prod"}},
		{[]string{"deploy shop to prod x=1"}, 1, []string{"is no parameter of web.deploy"}},
		{[]string{"depoly shop to prod"}, 1, []string{"no alias fits", "as a command it would be: deploy shop to prod"}},
		{[]string{"deploy shop to prod", "--json"}, 0, []string{`"alias": "web.deploy"`, `"env": "prod"`}},
		{[]string{"scale web 3", "--format", "scale {{ app }} {{ n }}", "--action", "web.deploy"}, 0, []string{" 3\n", "missing  env"}},
		{[]string{"scale web", "--format", "scale {{ a-b }}"}, 1, []string{"is not a parameter name"}},
		{[]string{"scale web", "--format", "scale {{ a }}", "--action", "web.none"}, 1, []string{"there is no action web.none"}},
		{nil, 2, []string{"needs the line to test"}},
	} {
		out, code := runIn(t, dir, append([]string{"alias", "test"}, tt.args...)...)
		if code != tt.code {
			t.Errorf("%q: exit code %d, want %d", tt.args, code, tt.code)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%q: %s lacks %q", tt.args, out, want)
			}
		}
	}
	var r chatops.Reading
	out, _ := runIn(t, dir, "alias", "test", "--json", "run date")
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Alias != "core.run_local" || r.Hits[0]["cmd"] != "date" {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestAliasLint(t *testing.T) {
	dir := deployPack(t)
	if out, code := runIn(t, dir, "alias", "lint"); code != 0 || !strings.Contains(out, "0 problems") {
		t.Errorf("exit code %d: %s", code, out)
	}
	writeFiles(t, dir, map[string]string{
		"packs/web/aliases/bad.yaml":    "name: bad\naction_ref: web.deploy\nformats: [\"x {{ a-b }}\"]\n",
		"packs/web/aliases/gone.yaml":   "name: gone\naction_ref: web.nothing\nformats: [\"vanish\"]\n",
		"packs/web/aliases/twin.yaml":   "name: twin\naction_ref: web.deploy\nformats: [\"deploy {{ app }} to {{ n }}\"]\n",
		"packs/web/aliases/odd.yaml":    "name: odd\naction_ref: web.deploy\nformats: [\"odd {{ colour }}\"]\nimmutable_parameters: {app: a, env: dev}\n",
		"packs/web/aliases/shadow.yaml": "name: shadow\naction_ref: core.noop\nformats: [\"stop it\"]\n",
		"packs/web/aliases/light.yaml":  "name: light\naction_ref: core.noop\nformats: [\"(stop|halt) it\"]\n",
	})
	out, code := runIn(t, dir, "alias", "lint")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"bad.yaml: uncompilable: ", "gone.yaml: unknown-action: there is no action web.nothing", `ambiguous: "deploy {{ app }} to {{ env }}" and web.twin`,
		"twin.yaml: never-given: no format gives env", "odd.yaml: unknown-parameter: ", "gives colour, which web.deploy does not take",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	var lines []map[string]any
	out, _ = runIn(t, dir, "alias", "lint", "--json", "packs/web")
	if err := json.Unmarshal([]byte(out), &lines); err != nil || len(lines) < 5 {
		t.Errorf("%v: %s", err, out)
	}
	// What cannot be used does not keep the rest from working.
	if out, code := runIn(t, dir, "alias", "test", "vanish"); code != 1 || !strings.Contains(out, "there is no action web.nothing") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestAliasList(t *testing.T) {
	out, code := runIn(t, deployPack(t), "alias", "list", "deploy")
	if code != 0 || !strings.Contains(out, "deploy {{ app }} to {{ env }}") || strings.Contains(out, "core.") {
		t.Errorf("exit code %d: %s", code, out)
	}
	var list []map[string]string
	out, _ = runIn(t, deployPack(t), "alias", "list", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) < 5 {
		t.Errorf("%v: %s", err, out)
	}
}
