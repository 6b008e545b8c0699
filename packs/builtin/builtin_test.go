package builtin

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/runners/ask"
	"petrel/engine/runners/emit"
	"petrel/engine/runners/flow"
	httprunner "petrel/engine/runners/http"
	"petrel/engine/runners/noop"
	"petrel/engine/runners/python"
	"petrel/engine/runners/shell"
	"petrel/engine/runners/ssh"
	"petrel/engine/runners/winrm"
	"petrel/packs"
)

// runners has the names and parameters of the runners that the packs use.
func runners() []engine.Runner {
	return []engine.Runner{
		shell.NewCommand(shell.Options{}).Spec(), shell.NewScript(shell.Options{}).Spec(),
		ssh.NewCommand(ssh.Options{}).Spec(), ssh.NewScript(ssh.Options{}).Spec(),
		httprunner.New(httprunner.Options{}).Spec(), noop.Runner{}.Spec(), (*python.Script)(nil).Spec(),
		winrm.NewCommand(winrm.Options{}).Spec(), winrm.NewPowerShell(winrm.Options{}).Spec(), (*emit.Announcement)(nil).Spec(), (*emit.Injection)(nil).Spec(),
		ask.Runner{}.Spec(), flow.Runners()[0].Spec(), flow.Runners()[1].Spec(),
		{Name: "chat-post-message", Enabled: true, Parameters: json.RawMessage(`{}`)}, // the conversation's
		{Name: "pack-manager", Enabled: true, Parameters: json.RawMessage(`{}`)},      // the server's
		{Name: "chat", Enabled: true, Parameters: json.RawMessage(`{}`)},
	}
}

func load(t *testing.T) *packs.Content {
	t.Helper()
	root, err := Unpack(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return packs.Load(context.Background(), []packs.Source{packs.Dir(root)}, runners(), packs.Checks{})
}

// Every file of the built-in packs is used, and names only what exists.
func TestNothingIsWrong(t *testing.T) {
	c := load(t)
	for _, p := range c.Problems {
		t.Error(p)
	}
	files := 0
	err := fs.WalkDir(FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".yaml") && !strings.Contains(name, "/workflows/") && !strings.Contains(name, "/chains/") && !strings.HasSuffix(name, "pack.yaml") && !strings.HasSuffix(name, "config.schema.yaml") {
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
	for _, ref := range []string{engine.TriggerWebhook, engine.TriggerIntervalTimer, engine.TriggerDateTimer,
		engine.TriggerCronTimer, engine.TriggerChatCommand, engine.TriggerChatMessage, engine.TriggerInquiry} {
		found := false
		for _, typ := range c.TriggerTypes {
			found = found || typ.Ref == ref
		}
		if !found {
			t.Errorf("there is no trigger type %s", ref)
		}
	}
}

// The commands of the built-in packs, as people type them.
func TestCommands(t *testing.T) {
	table, problems := aliases.NewTable(load(t).Definitions())
	if len(problems) > 0 || len(table.Lint()) > 0 {
		t.Errorf("aliases are not clean: %v %v", problems, table.Lint())
	}
	for _, tt := range []struct{ command, want string }{
		{"run date on localhost", "core.run_local cmd=date"},
		{"run date", "core.run_local cmd=date"},
		{"run date on  localhost ", "core.run_local cmd=date"},
		{"run date on web1", ""},
		{`run echo "a b" on localhost`, `core.run_local cmd=echo "a b"`},
		{"run echo 'x'", "core.run_local cmd=echo 'x'"},
		{"run make CC=gcc on localhost", "core.run_local cmd=make CC=gcc"},
		{"run echo on localhost on localhost", "core.run_local cmd=echo on localhost"},
		{"run for i in 1 2; do\n echo $i\ndone", "core.run_local cmd=for i in 1 2; do\n echo $i\ndone"},
		{"run", ""},
		{"echo hi there", "core.echo message=hi there"},
		{`echo "hi"`, `core.echo message="hi"`},
		{"greet ann", "examples.greet name=ann"},
		{"greet ann in french times=2 shout=true", "examples.greet language=french name=ann shout=true times=2"},
		{"roll 3d6", "examples.roll dice=3d6"},
		{"roll dice", "examples.roll"},
		{"incident web is down", "examples.incident title=web is down"},
		{"report incident", "examples.report_incident"},
		{"say hello all in #ops", "chatops.say channel=#ops message=hello all"},
		{"say hello in town", ""},
		{"pack install csv,excel", "packs.pack_install packs=csv,excel"},
		{"pack search net", "packs.pack_search query=net"},
		{"pack show csv", "packs.pack_show pack=csv"},
		{"pack get csv", "packs.pack_get pack=csv"},
		{"example sequence for ann", "examples.sequence name=ann"},
		{"example items 20 by 5", "examples.with_items concurrency=5 items=20"},
		{"http get http://localhost/x", "core.http_get url=http://localhost/x"},
	} {
		got := ""
		if m, err := table.Resolve(tt.command); err == nil {
			got = m.Alias.Ref
			for _, name := range slices.Sorted(maps.Keys(m.Params)) {
				got += " " + name + "=" + *m.Params[name]
			}
		}
		if got != tt.want {
			t.Errorf("%q means %q, want %q", tt.command, got, tt.want)
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

// The mail script with a sendmail that writes down what it gets.
func TestSendMailScript(t *testing.T) {
	root, err := Unpack(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binary, got, attached := filepath.Join(dir, "sendmail"), filepath.Join(dir, "got"), filepath.Join(dir, "a b.txt")
	for name, body := range map[string]string{binary: "#!/bin/sh\ncat >'" + got + "'\n", attached: "attached"} {
		if err := os.WriteFile(name, []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(root, "core", "actions", "send_mail", "send_mail")
	send := func(args ...string) (string, error) {
		out, err := exec.Command(script, args...).CombinedOutput()
		return string(out), err
	}
	out, err := send(binary, "me@here", "you@there\nBcc: spy@there", "héllo", "1", "text/plain", "$(id)\n.\nbye", attached)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	raw, err := os.ReadFile(got)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "héllo" || m.Header.Get("From") != "me@here" || m.Header.Get("Bcc") != "" {
		t.Errorf("subject %q, %v; header %v", subject, err, m.Header)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{"$(id)\n.\nbye", "attached"} {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatalf("%v in\n%s", err, raw)
		}
		body, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
		if err != nil || string(body) != want {
			t.Errorf("part is %q, %v; want %q", body, err, want)
		}
	}
	if out, err := send(binary, "me", "you@there", "s", "0", "text/plain", ""); err != nil || !strings.Contains(out, "nothing was sent") {
		t.Errorf("empty body: %q, %v", out, err)
	}
	for name, args := range map[string][]string{
		"sendmail: to is empty":                    {binary, "me", "", "s", "1", "text/plain", "b"},
		"sendmail: /no/binary is not a program":    {"/no/binary", "me", "you", "s", "1", "text/plain", "b"},
		"sendmail: attachment /no/file cannot be ": {binary, "me", "you", "s", "1", "text/plain", "b", "/no/file"},
	} {
		if out, err := send(args...); err == nil || !strings.Contains(out, name) {
			t.Errorf("%q, %v; want %q", out, err, name)
		}
	}
}
