package builtin

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/packs"
)

// runners has the names and parameters of the runners that the packs use.
func runners() []engine.Runner {
	shell := json.RawMessage(`{"cmd":{"type":"string"},"cwd":{"type":"string"},"env":{"type":"object"},
		"kwarg_op":{"type":"string","default":"--"},"sudo":{"type":"boolean","default":false},
		"sudo_password":{"type":"string","default":null,"secret":true},"timeout":{"type":"integer","default":60}}`)
	script := json.RawMessage(strings.Replace(string(shell), `"cmd":{"type":"string"},`, "", 1))
	return []engine.Runner{
		{Name: "local-shell-cmd", Enabled: true, Parameters: shell},
		{Name: "local-shell-script", Enabled: true, Parameters: script},
		{Name: "http-request", Enabled: true, Parameters: json.RawMessage(`{"url":{"type":"string","required":true},"headers":{"type":"object"}}`)},
		{Name: "noop", Enabled: true, Parameters: json.RawMessage(`{}`)},
		{Name: "chat-post-message", Enabled: true, Parameters: json.RawMessage(`{}`)},
	}
}

func load(t *testing.T) *packs.Content {
	t.Helper()
	root, err := Unpack(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return packs.Load(context.Background(), []packs.Source{packs.Dir(root)}, runners())
}

// Every file of the built-in packs is used, and names only what exists.
func TestNothingIsWrong(t *testing.T) {
	c := load(t)
	for _, p := range c.Problems {
		t.Error(p)
	}
	files := 0
	err := fs.WalkDir(FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".yaml") && !strings.HasSuffix(name, "pack.yaml") {
			files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.Actions) + len(c.Rules) + len(c.Aliases) + len(c.TriggerTypes); got != files {
		t.Errorf("%d entities from %d files", got, files)
	}
	for _, ref := range []string{engine.TriggerWebhook, engine.TriggerIntervalTimer, engine.TriggerChatCommand, engine.TriggerChatMessage} {
		found := false
		for _, typ := range c.TriggerTypes {
			found = found || typ.Ref == ref
		}
		if !found {
			t.Errorf("there is no trigger type %s", ref)
		}
	}
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	root, err := Unpack(dir)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(root, "examples", "actions", "greet.sh")
	first, err := os.Stat(script)
	if err != nil || first.Mode()&0o100 == 0 {
		t.Fatalf("%s: %v, %v", script, first, err)
	}
	stale := filepath.Join(root, "examples", "rules", "old.yaml")
	changed := filepath.Join(root, "core", "pack.yaml")
	for _, name := range []string{stale, changed} {
		if err := os.WriteFile(name, []byte("name: old\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Unpack(dir); err != nil {
		t.Fatal(err)
	}
	if again, err := os.Stat(script); err != nil || !again.ModTime().Equal(first.ModTime()) || !os.SameFile(first, again) {
		t.Errorf("an unchanged file was written again: %v, %v", again, err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", stale, err)
	}
	want, _ := fs.ReadFile(FS(), "core/pack.yaml")
	if got, err := os.ReadFile(changed); err != nil || string(got) != string(want) {
		t.Errorf("%s was not mended: %q, %v", changed, got, err)
	}
}

func TestGreetScript(t *testing.T) {
	root, err := Unpack(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(root, "examples", "actions", "greet.sh"), "--times=2", "--shout", "ann", "french").CombinedOutput()
	if err != nil || string(out) != "BONJOUR, ANN!\nBONJOUR, ANN!\n" {
		t.Errorf("%q, %v", out, err)
	}
}
