package ssh

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

func TestLogin(t *testing.T) {
	s := newSite(t, 1)
	m := s.machines[0]
	stranger := s.key(t, "stranger", "")
	locked := s.key(t, "locked", "open sesame")
	authorized, err := os.ReadFile(s.dir + "/authorized")
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.dir+"/authorized", append(authorized, ssh.MarshalAuthorizedKey(locked)...))
	material, err := os.ReadFile(s.dir + "/client")
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.dir+"/changed", []byte(knownhosts.Line([]string{knownhosts.Normalize(m.address)}, stranger)+"\n"))
	write(t, s.dir+"/empty", nil)
	write(t, s.dir+"/revoked", []byte("@revoked * "+m.known[strings.Index(m.known, " ")+1:]+"\n"))
	for _, c := range []struct {
		name   string
		params []any
		known  string
		ignore bool
		says   string // "" when it works
	}{
		{name: "key of the options"},
		{name: "key by path", params: []any{"private_key", s.dir + "/client"}},
		{name: "key itself", params: []any{"private_key", string(material)}},
		{name: "locked key", params: []any{"private_key", s.dir + "/locked", "passphrase", "open sesame"}},
		{name: "port apart", params: []any{"hosts", "127.0.0.1", "port", m.port}},
		{name: "bastion", params: []any{"bastion_host", m.address}},
		{name: "unknown bastion", params: []any{"bastion_host", "127.0.0.1:1"}, says: "bastion 127.0.0.1:1"},
		{name: "behind the bastion", params: []any{"bastion_host", m.address, "hosts", "127.0.0.1:1"}, says: "through bastion"},
		{name: "stranger", params: []any{"private_key", s.dir + "/stranger"}, says: "unable to authenticate"},
		{name: "other user", params: []any{"username", "no-such-user"}, says: "unable to authenticate"},
		{name: "password is not taken", params: []any{"password", "s3cret"}, says: "unable to authenticate"},
		{name: "locked key without passphrase", params: []any{"private_key", s.dir + "/locked"}, says: "give the parameter passphrase"},
		{name: "wrong passphrase", params: []any{"private_key", s.dir + "/locked", "passphrase", "s3cret"}, says: "does not open with the passphrase"},
		{name: "no key", params: []any{"private_key", s.dir + "/none"}, says: "no such file"},
		{name: "not a key", params: []any{"private_key", "s3cret\ns3cret"}, says: "neither a private key"},
		{name: "damaged key", params: []any{"private_key", "-----BEGIN RSA PRIVATE KEY-----\ns3cret\n"}, says: "cannot be read"},
		{name: "unknown host", known: "empty", says: "is not known"},
		{name: "changed host", known: "changed", says: s.dir + "/changed:1"},
		{name: "revoked key", known: "revoked", says: "revoked"},
		{name: "no known hosts", known: "missing", says: "ssh-keyscan"},
		{name: "unknown host, not checked", known: "missing", ignore: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := s.options
			o.IgnoreHostKeys = c.ignore
			if c.known != "" {
				o.KnownHosts = []string{s.dir + "/" + c.known}
			}
			params := value.DictOf("hosts", m.address, "cmd", "echo in")
			params.Update(value.DictOf(c.params...))
			j := job(newRecorder())
			j.Runner = params
			out, err := NewCommand(o).Run(t.Context(), j)
			if err != nil {
				t.Fatal(err)
			}
			if works := c.says == ""; works != (out.Status == engine.Succeeded) || !strings.Contains(string(out.Result), c.says) {
				t.Errorf("%s %s", out.Status, out.Result)
			}
			if strings.Contains(string(out.Result), "s3cret") {
				t.Errorf("the result shows a secret: %s", out.Result)
			}
		})
	}
}

// passwordServer is an SSH server that takes a password and runs commands.
func passwordServer(t *testing.T, config *ssh.ServerConfig) (address string) {
	t.Helper()
	s := &site{dir: t.TempDir()}
	s.key(t, "host", "")
	material, err := os.ReadFile(s.dir + "/host")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(material)
	if err != nil {
		t.Fatal(err)
	}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn, config)
		}
	}()
	return l.Addr().String()
}

func serve(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		for r := range requests {
			r.Reply(r.Type == "exec", nil)
			if r.Type != "exec" {
				continue
			}
			var line struct{ Line string }
			ssh.Unmarshal(r.Payload, &line)
			if strings.HasSuffix(line.Line, "hang up") {
				conn.Close()
				return
			}
			cmd := exec.Command("sh", "-c", line.Line)
			cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
			cmd.Run()
			channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{uint32(cmd.ProcessState.ExitCode())}))
			channel.Close()
		}
	}
}

func TestPasswords(t *testing.T) {
	check := func(user, password string) (*ssh.Permissions, error) {
		if user == "ann" && password == "s3cret" {
			return nil, nil
		}
		return nil, errors.New("no")
	}
	for name, config := range map[string]*ssh.ServerConfig{
		"password": {PasswordCallback: func(c ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) { return check(c.User(), string(p)) }},
		"questions": {KeyboardInteractiveCallback: func(c ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password:"}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, fmt.Errorf("answers %d: %w", len(answers), err)
			}
			return check(c.User(), answers[0])
		}},
	} {
		t.Run(name, func(t *testing.T) {
			address := passwordServer(t, config)
			r := NewCommand(Options{IgnoreHostKeys: true})
			out, err := r.Run(t.Context(), job(newRecorder(), "hosts", address, "cmd", "echo in", "username", "ann", "password", "s3cret"))
			if status, _ := finish(t, out, err); status != engine.Succeeded {
				t.Errorf("%s %s", status, out.Result)
			}
			out, err = r.Run(t.Context(), job(newRecorder(), "hosts", address, "cmd", "echo in", "username", "ann", "password", "guess"))
			if status, _ := finish(t, out, err); status != engine.Failed || strings.Contains(string(out.Result), "guess") {
				t.Errorf("%s %s", status, out.Result)
			}
		})
	}
}

func TestLostConnection(t *testing.T) {
	address := passwordServer(t, &ssh.ServerConfig{NoClientAuth: true})
	out, err := NewCommand(Options{IgnoreHostKeys: true}).Run(t.Context(),
		job(newRecorder(), "hosts", address, "cmd", "hang up", "username", "ann", "password", "x"))
	if status, hosts := finish(t, out, err); status != engine.Failed || hosts["127.0.0.1"].ReturnCode != 255 {
		t.Errorf("%s %s", status, out.Result)
	}
}

func TestSilentHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := NewCommand(Options{IgnoreHostKeys: true, ConnectTimeout: 100 * time.Millisecond})
	params := []any{"hosts", l.Addr().String(), "cmd", "true", "username", "ann", "password", "x"}
	out, err := r.Run(t.Context(), job(newRecorder(), params...))
	if status, hosts := finish(t, out, err); status != engine.Failed || !strings.Contains(hosts["127.0.0.1"].Error, "no login within 100ms") {
		t.Errorf("%s %s", status, out.Result)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		if conn, err := l.Accept(); err == nil { // of the first, which has gone
			conn.Close()
		}
		if conn, err := l.Accept(); err == nil {
			defer conn.Close()
		}
		cancel(runners.ErrCanceled)
	}()
	out, err = NewCommand(Options{IgnoreHostKeys: true}).Run(ctx, job(newRecorder(), params...))
	if status, _ := finish(t, out, err); status != engine.Canceled {
		t.Errorf("%s %s", status, out.Result)
	}
}

func TestOutputLimit(t *testing.T) {
	s := newSite(t, 2)
	s.options.OutputLimit, s.options.Grace = 1<<20, 200*time.Millisecond
	out, err := NewCommand(s.options).Run(t.Context(),
		job(newRecorder(), "hosts", s.machines[0].address+","+s.machines[1].address, "cmd", "head -c 50000000 /dev/zero | tr '\\0' x; sleep 60"))
	if err != nil || out.Status != engine.Failed || !bytes.Contains(out.Result, []byte("more than 1 MiB")) || len(out.Result) > 1<<20+2000 {
		t.Errorf("%v %s, %d bytes", err, out.Status, len(out.Result))
	}
}

func TestSplitHost(t *testing.T) {
	for in, want := range map[string]string{
		"a":          "a a:22",
		"a:2022":     "a a:2022",
		"10.0.0.1:1": "10.0.0.1 10.0.0.1:1",
		"[::1]:2022": "::1 [::1]:2022",
		"[::1]":      "::1 [::1]:22",
		"fe80::1":    "fe80::1 [fe80::1]:22",
		"a:b":        "", "a:0": "", "a:70000": "", ":22": "", "[a]:1": "", "[::1]x": "", "[::1": "", "a:b:c": "", "ann@a": "", "a b": "",
	} {
		name, address, err := splitHost(in, 22)
		if got := strings.TrimSpace(name + " " + address); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
}

func TestBadParameters(t *testing.T) {
	for says, params := range map[string][]any{
		"hosts is missing":    {"hosts", " , "},
		"cmd is missing":      {"hosts", "a", "cmd", nil},
		"parameter port":      {"hosts", "a", "port", int64(0)},
		"name of a variable":  {"hosts", "a", "env", value.DictOf("A;reboot", "1")},
		"bastion_host":        {"hosts", "a", "bastion_host", "b:c"},
		"nothing to log in":   {"hosts", "a"},
		"a number of seconds": {"hosts", "a", "timeout", int64(-1)},
	} {
		all := value.DictOf("cmd", "true")
		all.Update(value.DictOf(params...))
		if says != "nothing to log in" {
			all.SetString("password", "x")
		}
		j := job(newRecorder())
		j.Runner = all
		c := NewCommand(Options{})
		c.options.KeyFile = ""
		out, err := c.Run(t.Context(), j)
		if err != nil || out.Status != engine.Failed || !strings.Contains(string(out.Result), says) {
			t.Errorf("%s: %v %s %s", says, err, out.Status, out.Result)
		}
	}
}

func TestSpecs(t *testing.T) {
	for _, c := range []struct {
		runner runners.Runner
		name   string
		count  int
		fixed  bool
	}{{NewCommand(Options{}), "remote-shell-cmd", 16, true}, {NewScript(Options{}), "remote-shell-script", 15, false}} {
		spec := c.runner.Spec()
		var params map[string]struct {
			Type                        string
			Default                     any
			Required, Secret, Immutable bool
		}
		if err := json.Unmarshal(spec.Parameters, &params); err != nil {
			t.Fatal(err)
		}
		if spec.Name != c.name || len(params) != c.count || params["dir"].Immutable != c.fixed || !params["parallel"].Immutable ||
			!params["hosts"].Required || params["cwd"].Default != "/tmp" || params["timeout"].Default != 60.0 {
			t.Errorf("%s: %d %+v", spec.Name, len(params), params)
		}
		for _, name := range []string{"password", "private_key", "passphrase", "sudo_password"} {
			if !params[name].Secret {
				t.Errorf("%s is not secret", name)
			}
		}
	}
}
