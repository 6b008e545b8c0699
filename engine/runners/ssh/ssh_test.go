package ssh

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

// machine is an sshd on a port of its own, which lets in one key.
type machine struct {
	address string
	port    int64
	known   string // its line in known_hosts
}

// site is a set of machines and what is needed to log in to them.
type site struct {
	options  Options
	dir      string
	machines []machine
}

// newSite starts n sshd on loopback, with additional lines of configuration.
func newSite(t *testing.T, n int, more ...string) *site {
	t.Helper()
	sshd := "/usr/sbin/sshd"
	if _, err := os.Stat(sshd); err != nil {
		t.Skip("needs an sshd (package openssh-server)")
	}
	if os.Geteuid() == 0 { // where sshd, when root runs it, goes before a login
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{dir: t.TempDir()}
	mine := s.key(t, "client", "")
	write(t, s.dir+"/authorized", ssh.MarshalAuthorizedKey(mine))
	var known bytes.Buffer
	for i := range n {
		m := s.start(t, sshd, i, strings.Join(more, "\n"))
		known.WriteString(m.known + "\n")
		s.machines = append(s.machines, m)
	}
	write(t, s.dir+"/known", known.Bytes())
	s.options = Options{User: me.Username, KeyFile: s.dir + "/client", KnownHosts: []string{s.dir + "/known"}, Drain: 200 * time.Millisecond}
	return s
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// key makes a key pair; the private key goes to a file.
func (s *site) key(t *testing.T, name, passphrase string) ssh.PublicKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(private, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, name), pem.EncodeToMemory(block))
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer.PublicKey()
}

// start runs an sshd and waits until it answers.
func (s *site) start(t *testing.T, sshd string, i int, more string) machine {
	t.Helper()
	hostKey := s.key(t, fmt.Sprintf("host%d", i), "")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	free.Close()
	config := fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %[2]s/host%[3]d\nAuthorizedKeysFile %[2]s/authorized\nPidFile none\n"+
		"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nSubsystem sftp internal-sftp\n%[4]s\n", port, s.dir, i, more)
	write(t, fmt.Sprintf("%s/config%d", s.dir, i), []byte(config))
	cmd := exec.Command(sshd, "-D", "-e", "-f", fmt.Sprintf("%s/config%d", s.dir, i))
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("sshd %d: %s", i, log.String())
		}
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for end := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("sshd does not answer: %v", err)
		}
		time.Sleep(5 * time.Millisecond) // nothing tells when another program listens
	}
	return machine{address, int64(port), knownhosts.Line([]string{knownhosts.Normalize(address)}, hostKey)}
}

// recorder keeps what is printed and tells of the first lines.
type recorder struct {
	lines int
	mu    sync.Mutex
	text  string
	first chan struct{}
	once  sync.Once
}

func newRecorder() *recorder { return &recorder{first: make(chan struct{})} }

func (r *recorder) output(s runners.Stream, p []byte) {
	r.mu.Lock()
	r.text += string(s) + ":" + string(p)
	full := strings.Count(r.text, "\n") >= max(1, r.lines)
	r.mu.Unlock()
	if full {
		r.once.Do(func() { close(r.first) })
	}
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text
}

var executions atomic.Int64

func job(rec *recorder, pairs ...any) runners.Job {
	id := fmt.Sprintf("%012x%012x", os.Getpid(), executions.Add(1))
	return runners.Job{
		Execution: &engine.Execution{ID: id},
		Action:    &engine.Action{Ref: "test.it", Pack: "test"},
		Runner:    value.DictOf(pairs...),
		Output:    rec.output,
		Env:       []string{"ST2_ACTION_PACK_NAME=test", "ST2_ACTION_EXECUTION_ID=" + id},
	}
}

type shown struct {
	Succeeded  bool   `json:"succeeded"`
	Failed     bool   `json:"failed"`
	ReturnCode int    `json:"return_code"`
	Stdout     any    `json:"stdout"`
	Stderr     any    `json:"stderr"`
	Error      string `json:"error"`
	Timeout    *bool  `json:"timeout"`
}

// finish checks an outcome and returns its hosts' results.
func finish(t *testing.T, out runners.Outcome, err error) (engine.Status, map[string]shown) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var hosts map[string]shown
	if err := json.Unmarshal(out.Result, &hosts); err != nil {
		t.Fatalf("%s: %v", out.Result, err)
	}
	for name, h := range hosts {
		if h.Succeeded == h.Failed || h.Succeeded != (h.Error == "" && h.ReturnCode == 0) || (h.Timeout != nil) != (h.Error != "") {
			t.Errorf("host %s: %+v", name, h)
		}
	}
	return out.Status, hosts
}

func TestCommand(t *testing.T) {
	s := newSite(t, 1)
	m := s.machines[0]
	dir := s.dir
	for _, c := range []struct {
		name   string
		params []any
		status engine.Status
		want   string
	}{
		{"plain", []any{"cmd", "echo hi; echo oh >&2"}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":"hi","stderr":"oh"}`},
		{"json", []any{"cmd", `echo '{"b":1,"a":2}'`}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":{"b":1,"a":2},"stderr":""}`},
		{"exit code", []any{"cmd", "exit 42"}, engine.Failed,
			`{"succeeded":false,"failed":true,"return_code":42,"stdout":"","stderr":""}`},
		{"signal", []any{"cmd", "kill -KILL $$"}, engine.Failed,
			`{"succeeded":false,"failed":true,"return_code":-9,"stdout":"","stderr":""}`},
		{"folder", []any{"cmd", "pwd"}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":"/tmp","stderr":""}`},
		{"cwd", []any{"cmd", "pwd", "cwd", dir}, engine.Succeeded,
			fmt.Sprintf(`{"succeeded":true,"failed":false,"return_code":0,"stdout":%q,"stderr":""}`, dir)},
		{"environment", []any{"cmd", `echo "$A|$ST2_ACTION_PACK_NAME|$N"`, "env", value.DictOf("A", `it's "x" $HOME`, "ST2_ACTION_PACK_NAME", "mine", "N", int64(1))}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":"it's \"x\" $HOME|test|1","stderr":""}`},
		{"no input", []any{"cmd", "cat; echo end"}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":"end","stderr":""}`},
		{"background", []any{"cmd", "sleep 3 & echo on"}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":"on","stderr":""}`},
		{"binary", []any{"cmd", `printf 'a\377\000'`}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":"a` + "\uFFFD" + `\u0000","stderr":""}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := job(newRecorder(), append(c.params, "hosts", m.address)...)
			out, err := NewCommand(s.options).Run(t.Context(), j)
			finish(t, out, err)
			if want := `{"127.0.0.1":` + c.want + `}`; out.Status != c.status || string(out.Result) != want {
				t.Errorf("got  %s %s\nwant %s %s", out.Status, out.Result, c.status, want)
			}
		})
	}
}

func TestManyHosts(t *testing.T) {
	s := newSite(t, 2)
	one, two := s.machines[0].address, s.machines[1].address
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	cmd := `test "$SSH_CONNECTION" = "${SSH_CONNECTION%` + fmt.Sprint(s.machines[1].port) + `}"` // fails on two
	for _, c := range []struct {
		name, hosts, cmd string
		partial          bool
		status           engine.Status
		codes            map[string]int
	}{
		{"both", one + "," + two + ", " + one, "echo hi", false, engine.Succeeded, map[string]int{one: 0, two: 0}},
		{"one fails", one + "," + two, cmd, false, engine.Failed, map[string]int{one: 0, two: 1}},
		{"one fails, partly allowed", two + "," + one, cmd, true, engine.Succeeded, map[string]int{one: 0, two: 1}},
		{"one cannot be reached", one + "," + nobody, "true", false, engine.Failed, map[string]int{one: 0, nobody: 255}},
		{"none can be reached", nobody, "true", false, engine.Failed, map[string]int{"127.0.0.1": 255}},
		{"none, partly allowed", nobody, "true", true, engine.Failed, map[string]int{"127.0.0.1": 255}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := s.options
			o.AllowPartialFailure = c.partial
			rec := newRecorder()
			out, err := NewCommand(o).Run(t.Context(), job(rec, "hosts", c.hosts, "cmd", c.cmd))
			status, hosts := finish(t, out, err)
			codes := map[string]int{}
			for name, h := range hosts {
				codes[name] = h.ReturnCode
				if h.ReturnCode == 255 && !strings.Contains(h.Error, "refused") {
					t.Errorf("%s: %s", name, h.Error)
				}
			}
			if status != c.status || fmt.Sprint(codes) != fmt.Sprint(c.codes) {
				t.Errorf("%s %s", status, out.Result)
			}
			if rec.String() != "" {
				t.Errorf("streamed %q", rec)
			}
		})
	}
}

func TestScript(t *testing.T) {
	s := newSite(t, 2)
	pack := t.TempDir()
	write(t, pack+"/actions/go.sh", []byte("#!/bin/bash\ncd \"$(dirname \"$0\")\" && . lib/deep/more.sh && echo \"$MORE|$1|$2|$(stat -c %a \"$0\")|$PWD\"; cat lib/data\n"))
	write(t, pack+"/actions/lib/deep/more.sh", []byte("MORE=more\n"))
	write(t, pack+"/actions/lib/data", []byte("data\n"))
	rec := newRecorder()
	j := job(rec, "hosts", s.machines[0].address, "dir", s.dir+"/a dir")
	j.Action.Dir, j.Action.EntryPoint = pack, "go.sh"
	j.ScriptArgs = []string{"--a=it's $HOME", ""}
	out, err := NewScript(s.options).Run(t.Context(), j)
	there := s.dir + "/a dir/" + j.Execution.ID
	status, hosts := finish(t, out, err)
	if want := "more|--a=it's $HOME||744|" + there + "\ndata"; status != engine.Succeeded || hosts["127.0.0.1"].Stdout != want {
		t.Errorf("%s %s, want %q", status, out.Result, want)
	}
	if _, err := os.Stat(there); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", there, err)
	}
	if !strings.Contains(rec.String(), "stdout:more|") {
		t.Errorf("streamed %q", rec)
	}
	j.Runner.SetString("dir", "/proc/nowhere")
	out, err = NewScript(s.options).Run(t.Context(), j)
	if status, hosts := finish(t, out, err); status != engine.Failed || !strings.Contains(hosts["127.0.0.1"].Error, "copy the script") {
		t.Errorf("%s %s", status, out.Result)
	}
}

// family starts processes that resist their end, inside and outside the group,
// with and without the mark, and prints their numbers.
const family = `
bash -c 'trap "" TERM; echo $$; while :; do sleep 0.1; done' &
setsid bash -c 'trap "" TERM HUP; echo $$; exec >/dev/null 2>&1 </dev/null; while :; do sleep 0.1; done' &
env -u ST2_ACTION_EXECUTION_ID setsid bash -c 'echo $$; exec sleep 300 >/dev/null 2>&1 </dev/null' &
(setsid setsid bash -c 'echo $$; exec sleep 300 >/dev/null 2>&1 </dev/null' &)
sleep 300 &
echo $!
`

func TestStopLeavesNothingBehind(t *testing.T) {
	s := newSite(t, 1)
	s.options.Grace = 600 * time.Millisecond
	sudoWorks := exec.Command("sudo", "-n", "true").Run() == nil
	for _, c := range []struct {
		name, last string
		sudo       bool
		timeout    float64
		cause      error
		status     engine.Status
		code       int
		says       string
	}{
		{"cancel", "wait", false, 60, runners.ErrCanceled, engine.Canceled, 0, "canceled"},
		{"shutdown", `trap "" TERM; while :; do wait; done`, false, 60, runners.ErrShutdown, engine.Abandoned, 0, "stopped"},
		{"timeout", "wait", false, 10, nil, engine.TimedOut, -9, "within 10 seconds"},
		{"sudo", `trap "" TERM; while :; do wait; done`, true, 60, runners.ErrCanceled, engine.Canceled, 0, "canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.sudo && !sudoWorks {
				t.Skip("needs a sudo that asks for no password")
			}
			rec := newRecorder()
			rec.lines = strings.Count(family, "echo $")
			j := job(rec, "hosts", s.machines[0].address, "cmd", family+c.last, "timeout", c.timeout, "sudo", c.sudo)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			go func() {
				<-rec.first
				if c.cause != nil {
					cancel(c.cause)
				}
			}()
			start := time.Now()
			out, err := NewCommand(s.options).Run(ctx, j)
			if err != nil {
				t.Fatal(err)
			}
			var hosts map[string]shown
			if err := json.Unmarshal(out.Result, &hosts); err != nil {
				t.Fatal(err)
			}
			h := hosts["127.0.0.1"]
			if out.Status != c.status || h.ReturnCode != c.code || h.Succeeded || !strings.Contains(h.Error, c.says) {
				t.Errorf("%s %s", out.Status, out.Result)
			}
			printed, _ := h.Stdout.(string)
			pids := strings.Fields(printed)
			if len(pids) != rec.lines {
				t.Errorf("printed %q", printed)
			}
			for _, pid := range pids {
				gone(t, pid)
			}
			t.Logf("ended after %s", time.Since(start))
		})
	}
}

// gone waits for the end of a process that was killed: it dies when it is its
// turn to run, and nobody is told who is not its parent.
func gone(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
		if time.Now().After(end) {
			t.Errorf("process %s is left: %s", pid, stat)
			return
		}
	}
}

func TestSudo(t *testing.T) {
	// A sudo that notes how it was called and obeys, found by the commands' shell.
	bin := t.TempDir()
	write(t, bin+"/sudo", []byte(`#!/bin/bash
args="$*"
while [ "$1" != -- ]; do
  if [ "$1" = -S ]; then
    printf '[sudo] password for ann: ' >&2
    read word
    [ "$word" = "s3cret" ] || { echo 'sudo: 1 incorrect password attempt' >&2; exit 1; }
  fi
  shift
done
shift
SUDO="${args%% --*}" exec "$@"
`))
	if err := os.Chmod(bin+"/sudo", 0o755); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, 1, "SetEnv PATH="+bin+":/usr/bin:/bin")
	m := s.machines[0]
	t.Run("line", func(t *testing.T) {
		for _, c := range []struct {
			word, want string
			pty        bool
		}{
			{"", `export ST2_ACTION_EXECUTION_ID=1 && sudo -E -- bash -c 'export A='"'"'b c'"'"'; cd /tmp || exit; id'`, true},
			{"s3cret", `export ST2_ACTION_EXECUTION_ID=1 && sudo -S -E -- bash -c 'export A='"'"'b c'"'"'; cd /tmp || exit; id'`, false},
		} {
			task := &task{id: "1", sudo: true, sudoWord: c.word, exports: []string{"A=b c"}, cwd: "/tmp", command: "id"}
			if task.line() != c.want || task.pty() != c.pty || strings.Contains(task.line(), "s3cret") {
				t.Errorf("%s, pty %t", task.line(), task.pty())
			}
		}
	})
	for _, c := range []struct {
		word   any
		status engine.Status
		code   int
		stdout any
		says   string
	}{
		{nil, engine.Succeeded, 0, "-E", ""},
		{"s3cret", engine.Succeeded, 0, "-S -E", ""},
		{"guess", engine.Failed, 255, "", "(ann)"},
	} {
		start := time.Now()
		out, err := NewCommand(s.options).Run(t.Context(), job(newRecorder(), "hosts", m.address, "cmd", "printf '%s\\n' \"$SUDO\"", "sudo", true, "sudo_password", c.word))
		status, hosts := finish(t, out, err)
		h := hosts["127.0.0.1"]
		if status != c.status || h.ReturnCode != c.code || h.Stdout != c.stdout || !strings.Contains(h.Error, c.says) || strings.Contains(string(out.Result), "s3cret") {
			t.Errorf("%v: %s %s", c.word, status, out.Result)
		}
		t.Logf("took %s", time.Since(start))
	}
}
