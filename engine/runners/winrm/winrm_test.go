package winrm

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

// job runs something on a machine; params come on top of those that say where.
func (m *machine) job(params ...any) (runners.Job, *printed) {
	out := &printed{}
	p := value.DictOf("host", "127.0.0.1", "port", m.port(), "scheme", "http", "transport", "basic", "username", "ann", "password", "pass word", "kwarg_op", "-")
	p.Update(value.DictOf(params...))
	return runners.Job{
		Execution: &engine.Execution{ID: "x"}, Action: &engine.Action{Ref: "kit.x", Pack: "kit", Name: "x"},
		Runner: p, Params: value.NewDict(0), Output: out.write,
	}, out
}

type printed struct {
	mu   sync.Mutex
	text strings.Builder
}

func (p *printed) write(_ runners.Stream, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text.Write(data)
}

type shape struct {
	Succeeded, Failed bool
	Code              int `json:"return_code"`
	Stdout, Stderr    any
	Error             string
}

func finish(t *testing.T, ctx context.Context, r *Runner, job runners.Job) (engine.Status, shape) {
	t.Helper()
	out, err := r.Run(ctx, job)
	if err != nil {
		t.Fatal(err)
	}
	var s shape
	if err := json.Unmarshal(out.Result, &s); err != nil {
		t.Fatalf("%v: %s", err, out.Result)
	}
	return out.Status, s
}

func TestCommand(t *testing.T) {
	m := newMachine(t, false)
	m.run = func(line string) (string, string, int, bool) {
		if line == "exit 3" {
			return "", "no\r\n", 3, false
		}
		return "{\"n\": 1}\r\n", "", 0, false
	}
	job, out := m.job("cmd", "ipconfig /all & <x> ]]>", "cwd", `C:\a & b`, "env", value.DictOf("NAME", `a "b" <c>`, "N", int64(5)))
	status, r := finish(t, t.Context(), NewCommand(Options{}), job)
	if object, _ := r.Stdout.(map[string]any); status != engine.Succeeded || !r.Succeeded || r.Code != 0 || object["n"] != 1.0 {
		t.Errorf("%s %+v", status, r)
	}
	if m.lines[0] != "ipconfig /all & <x> ]]>" || m.cwd != `C:\a & b` || m.env["NAME"] != `a "b" <c>` || m.env["N"] != "5" || m.open != 0 {
		t.Errorf("lines %q, cwd %q, env %q, %d shells open", m.lines, m.cwd, m.env, m.open)
	}
	if !strings.Contains(out.text.String(), `"n"`) {
		t.Errorf("streamed: %q", out.text.String())
	}
	job, _ = m.job("cmd", "exit 3")
	if status, r := finish(t, t.Context(), NewCommand(Options{}), job); status != engine.Failed || r.Code != 3 || r.Stderr != "no" {
		t.Errorf("%s %+v", status, r)
	}
}

func TestPowerShell(t *testing.T) {
	m := newMachine(t, false)
	m.run = func(line string) (string, string, int, bool) {
		return "größe", `#< CLIXML` + "\r\n" + `<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04"><S S="Error">Get-X : no_x000D__x000A_</S><S S="verbose">chat</S></Objs>`, 1, false
	}
	job, _ := m.job("cmd", `Get-X "größe"`)
	status, r := finish(t, t.Context(), NewPowerShell(Options{}), job)
	if status != engine.Failed || r.Stdout != "größe" || r.Stderr != "Get-X : no" {
		t.Errorf("%s %+v", status, r)
	}
	if len(m.lines) != 1 || m.lines[0] != `PS> Get-X "größe"` {
		t.Errorf("%q", m.lines)
	}
}

func TestNTLMOverTLS(t *testing.T) {
	m := newMachine(t, true)
	m.ntlm = true
	m.run = func(string) (string, string, int, bool) { return "in", "", 0, false }
	job, _ := m.job("cmd", "whoami", "scheme", "https", "transport", "ntlm", "verify_ssl_cert", false)
	if status, r := finish(t, t.Context(), NewCommand(Options{}), job); status != engine.Succeeded || r.Stdout != "in" {
		t.Errorf("%s %+v", status, r)
	}
	job, _ = m.job("cmd", "whoami", "scheme", "https", "transport", "ntlm") // checks the certificate
	if status, r := finish(t, t.Context(), NewCommand(Options{}), job); status != engine.Failed || !strings.Contains(r.Error, "certificate") {
		t.Errorf("%s %+v", status, r)
	}
	job, _ = m.job("cmd", "whoami", "scheme", "https", "transport", "ntlm", "verify_ssl_cert", false, "username", "eve")
	if status, r := finish(t, t.Context(), NewCommand(Options{}), job); status != engine.Failed || !strings.Contains(r.Error, "refuses the account eve") {
		t.Errorf("%s %+v", status, r)
	}
}

func TestScript(t *testing.T) {
	m := newMachine(t, false)
	m.run = func(string) (string, string, int, bool) { return "done", "", 0, false }
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "actions"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := func(text string, params *value.Dict) (engine.Status, shape) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "actions", "x.ps1"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		m.lines = nil
		job, _ := m.job()
		job.Action.Dir, job.Action.EntryPoint, job.Params = dir, "x.ps1", params
		job.Action.Parameters = []byte(`{"first":{"type":"string","position":1},"zero":{"type":"array","position":0},"named":{"type":"string"},"on":{"type":"boolean"},"off":{"type":"boolean"},"none":{},"map":{"type":"object"}}`)
		return finish(t, t.Context(), NewScript(Options{}), job)
	}
	params := value.DictOf("first", "a\"b$c`d\ne", "named", "x y", "on", true, "off", false, "none", nil,
		"zero", value.NewList("1", int64(2), nil, true), "map", value.DictOf("k", 1.5))
	if status, r := script("\ufeffparam($named)", params); status != engine.Succeeded || r.Stdout != "done" {
		t.Errorf("%s %+v", status, r)
	}
	want := "PS> & {param($named)\n} -named \"x y\" -on -map @{\"k\" = 1.5} @(\"1\", 2, $null, $true) \"a`\"b`$c``d`ne\""
	if len(m.lines) != 1 || m.lines[0] != want {
		t.Errorf("got  %q\nwant %q", m.lines, want)
	}
	// A long one goes into a file, which is gone in the end.
	long := strings.Repeat("Write-Output 'größe'\n", 2000)
	if status, r := script(long, params); status != engine.Succeeded || r.Stdout != "done" {
		t.Errorf("%s %+v", status, r)
	}
	for _, body := range m.files {
		if !strings.HasPrefix(string(body), "\ufeff& {"+long) {
			t.Errorf("uploaded %d bytes: %.60q", len(body), body)
		}
	}
	if last := m.lines[len(m.lines)-1]; len(m.files) != 1 || !strings.HasPrefix(last, "PS> Remove-Item -Recurse") || m.open != 0 {
		t.Errorf("%d files, last line %q", len(m.files), last)
	}
}

func TestStopping(t *testing.T) {
	for _, c := range []struct {
		name   string
		params []any
		cause  error
		status engine.Status
		words  string
	}{
		{"timeout", []any{"timeout", int64(1)}, nil, engine.TimedOut, "within 1 seconds"},
		{"cancel", nil, runners.ErrCanceled, engine.Canceled, "canceled"},
		{"shutdown", nil, runners.ErrShutdown, engine.Abandoned, "stopped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t, false)
			m.run = func(string) (string, string, int, bool) { return "begun\r\n", "", 0, true }
			job, _ := m.job(append([]any{"cmd", "ping -t x"}, c.params...)...)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if c.cause != nil {
				go func() {
					<-m.started
					cancel(c.cause)
				}()
			}
			begun := time.Now()
			status, r := finish(t, ctx, NewCommand(Options{}), job)
			if status != c.status || r.Code != -1 || !strings.Contains(r.Error, c.words) || time.Since(begun) > 25*time.Second {
				t.Errorf("%s %+v", status, r)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, remote := range m.commands {
				select {
				case <-remote.stop: // by a signal, or with its shell
				default:
					t.Errorf("%s still runs on the machine", remote.line)
				}
			}
			if c.cause == nil && len(m.ended) != 1 || m.open != 0 {
				t.Errorf("ended %q, %d shells open", m.ended, m.open)
			}
		})
	}
}

// A command that prints nothing for longer than the machine holds an answer back.
func TestSilence(t *testing.T) {
	m := newMachine(t, false)
	m.run = func(string) (string, string, int, bool) { return "", "", 0, true }
	job, _ := m.job("cmd", "x", "timeout", int64(2))
	if status, r := finish(t, t.Context(), NewCommand(Options{operationTimeout: time.Second}), job); status != engine.TimedOut {
		t.Errorf("%s %+v", status, r)
	}
}

func TestRefusals(t *testing.T) {
	m := newMachine(t, false)
	for words, params := range map[string][]any{
		"cmd is empty":         {"cmd", " "},
		"host is empty":        {"cmd", "x", "host", ""},
		"not available":        {"cmd", "x", "transport", "kerberos"},
		"scheme":               {"cmd", "x", "scheme", "ftp"},
		"ports are 1":          {"cmd", "x", "port", int64(0)},
		"refuses the account":  {"cmd", "x", "password", "wrong"},
		"no shell could be":    {"cmd", "x", "port", int64(1)},
		"must be a string":     {"cmd", int64(5)},
		"above 0":              {"cmd", "x", "timeout", int64(0)},
		"must be an object":    {"cmd", "x", "env", "A=1"},
		"must be true or fals": {"cmd", "x", "verify_ssl_cert", "yes"},
	} {
		job, _ := m.job(params...)
		if status, r := finish(t, t.Context(), NewCommand(Options{}), job); status != engine.Failed || !strings.Contains(r.Error, words) {
			t.Errorf("%v: %s %+v, want %q", params, status, r, words)
		}
	}
	job, _ := m.job("cmd", "x")
	job.Action.EntryPoint = "none.ps1"
	if status, r := finish(t, t.Context(), NewScript(Options{}), job); status != engine.Failed || r.Error == "" {
		t.Errorf("%s %+v", status, r)
	}
}

func TestOutputLimit(t *testing.T) {
	m := newMachine(t, false)
	m.run = func(string) (string, string, int, bool) { return strings.Repeat("x", 10_000), "", 0, true }
	job, _ := m.job("cmd", "x")
	if status, r := finish(t, t.Context(), NewCommand(Options{OutputLimit: 1000}), job); status != engine.Failed || r.Error == "" {
		t.Errorf("%s %+v", status, r)
	}
}
