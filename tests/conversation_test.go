package tests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"petrel/adapters/terminal"
)

// sample is the Alertmanager notification that the README's tour sends.
const sample = "../packs/builtin/examples/samples/alertmanager.json"

func TestChatFromAPipe(t *testing.T) {
	p := install(t, "")
	p.start()
	for _, tt := range []struct {
		name, say string
		code      int
		want      string // regular expression
	}{
		{"a command", "!run echo hi there on localhost", 0, `Running \*core\.local\*(.|\n)*status : succeeded(.|\n)*stdout : hi there`},
		{"by mention", "@petrel run echo mentioned", 0, `stdout : mentioned`},
		{"by name", "petrel: run echo named", 0, `stdout : named`},
		{"help", "!help", 0, `!run \{\{ cmd \}\} on localhost - `},
		{"help filtered", "!help greet", 0, `!greet`},
		{"a failing command", "!run exit 3 on localhost", 1, `status : failed(.|\n)*return_code : 3`},
		{"a typo", "!rn date", 1, `do not know the command .rn date.(.|\n)*!run date`},
		{"nobody addressed", "good morning", 1, `(?i)nobody`},
		{"quotes and errors", `!run echo "a b" >&2; false on localhost`, 1, `stderr : a b`},
		{"parameters of the wrong kind", "!greet ann times=many", 1, `times`},
		{"unknown parameter", "!greet ann colour=red", 1, `colour`},
		{"template text is data", "!run echo '{{ 1 + 1 }}' on localhost", 0, `stdout : (2|\{\{ 1 \+ 1 \}\})`},
		{"a script with options", "!greet ann in french times=2 shout=true", 0, `BONJOUR`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, code := p.run(tt.say+"\n", "chat", "--as", "ann")
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !regexp.MustCompile(tt.want).MatchString(out) {
				t.Errorf("%q was answered by\n%s\nwhich does not match %s", tt.say, out, tt.want)
			}
			if strings.ContainsRune(out, '\x1b') {
				t.Errorf("escape codes on a pipe: %q", out)
			}
		})
	}
}

func TestChatRunsItsOwnServer(t *testing.T) {
	p := install(t, "")
	out, code := p.run("!run echo alone on localhost\n", "chat")
	if code != 0 || !strings.Contains(out, "stdout : alone") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if out, code = p.run("!run false on localhost\n!run echo second on localhost\n", "chat"); code != 1 || !strings.Contains(out, "stdout : second") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

func TestThreadsAndDirectMessages(t *testing.T) {
	p := install(t, "")
	p.start()
	if out, code := p.run("", "node", "list"); code != 0 || !strings.Contains(out, "alive") || !strings.Contains(out, "chat,api,rules,workers,sensors,timers") {
		t.Errorf("node list: exit code %d\n%s", code, out)
	}
	ann := p.sit("ann", "#general")
	if state, words := ann.answer("1", "!run echo threaded on localhost"); state != "succeeded" || !strings.Contains(words, "threaded") {
		t.Errorf("%s: %s", state, words)
	}
	ann.mu.Lock()
	id := ann.said["1"].ID
	for _, e := range ann.entries {
		if e.Message != nil && e.Thread != id {
			t.Errorf("an answer is not in the thread of the command: %+v", e)
		}
	}
	ann.mu.Unlock()
	ann.mu.Lock()
	execution := executionOf(ann.entries)
	ann.mu.Unlock()
	for expr, want := range map[string]string{
		"{{ execution.result.stdout }}": `"threaded"`, "{{ action_context.api_user }}-{{ cmd }}": `"ann-echo threaded"`, "ctx(execution).status": `"succeeded"`,
	} {
		if out, code := p.run("", "eval", "--execution", execution, expr); code != 0 || strings.TrimSpace(out) != want {
			t.Errorf("eval %s: exit code %d, %s", expr, code, out)
		}
	}
	if out, code := p.run("", "eval", "--execution", "nope", "execution"); code != 1 || !strings.Contains(out, "there is no execution nope") {
		t.Errorf("eval of an unknown execution: exit code %d, %s", code, out)
	}
	alone := p.sit("bob", "@petrel")
	if state, words := alone.answer("2", "run echo privately on localhost"); state != "succeeded" || !strings.Contains(words, "privately") {
		t.Errorf("%s: %s", state, words)
	}
}

// executionOf finds the ID of an execution that a message speaks of.
func executionOf(entries map[string]terminal.Entry) string {
	for _, e := range entries {
		if _, after, ok := strings.Cut(wordsOf(e), "execution: "); ok {
			id, _, _ := strings.Cut(after, "\n")
			return id
		}
	}
	return ""
}

// The live card shows output while the action runs, and its button ends it.
func TestProgressAndCancel(t *testing.T) {
	p := install(t, "")
	p.start()
	ann := p.sit("ann", "#general")
	ann.say("1", "!run echo first step; exec sleep 600 on localhost")
	var card terminal.Entry
	ann.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		for _, e := range entries {
			if strings.Contains(wordsOf(e), "Working on it") && strings.Contains(wordsOf(e), "first step") {
				card = e
				return nil
			}
		}
		return errors.New("no card with the output so far")
	})
	if len(card.Message.Buttons) != 2 || card.Message.Buttons[0].Label != "Cancel" {
		t.Fatalf("buttons: %+v", card.Message.Buttons)
	}
	ann.press("2", card.ID, card.Message.Buttons[0].ID)
	ann.await(30*time.Second, func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error {
		last := finals(entries)[said["1"].ID]
		if len(last) != 1 || !strings.Contains(wordsOf(last[0]), "status : canceled") {
			return fmt.Errorf("last words: %+v", last)
		}
		if words := wordsOf(entries[card.ID]); !strings.Contains(words, "Canceled by ann") {
			return fmt.Errorf("the card says %q", words)
		}
		return nil
	})
}

func TestAlertmanagerToChat(t *testing.T) {
	p := install(t, "")
	p.start()
	ops := p.sit("ann", "#ops")
	body, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	p.post("alertmanager", "application/json", body, http.StatusAccepted)
	ops.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		for _, e := range entries {
			words := wordsOf(e)
			if strings.Contains(words, "*InstanceDown*") && strings.Contains(words, "1 firing, 1 resolved") && strings.Contains(words, "`web1:9100`") {
				return nil
			}
		}
		return fmt.Errorf("%d messages, none of the alert", len(entries))
	})
	if n := len(ops.entries); n != 1 {
		t.Errorf("%d messages for one group", n)
	}
}

func TestMessageSetsOffARule(t *testing.T) {
	p := install(t, "")
	p.start()
	ann := p.sit("ann", "#tea")
	ann.say("1", "Thanks Petrel!")
	ann.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		for _, e := range entries {
			if strings.Contains(wordsOf(e), "You are welcome, ann") {
				return nil
			}
		}
		return errors.New("no answer")
	})
}

// A rule may carry a condition in expr; one that uses a name which its trigger
// does not have is reported with its line.
func TestWhen(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.write("ref: cond\nname: cond\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: conditions\n", "packs", "cond", "pack.yaml")
	rule := `
name: %s
enabled: true
trigger: {type: core.st2.webhook, parameters: {url: cond}}
when: %s
action: {ref: chatops.post_message, parameters: {channel: "#cond", message: "{{ trigger.body.severity }}"}}
`
	p.write(fmt.Sprintf(rule, "good", `trigger.body.severity in ["critical", "page"]`), "packs", "cond", "rules", "good.yaml")
	p.write(fmt.Sprintf(rule, "misspelt", `trigger.bodi.severity == "low"`), "packs", "cond", "rules", "misspelt.yaml")
	p.start()
	if log := p.log.String(); !strings.Contains(log, "misspelt.yaml:5: when: ") || !strings.Contains(log, "bodi") {
		t.Errorf("the misspelt name is not reported:\n%s", log)
	}
	cond := p.sit("ann", "#cond")
	p.post("cond", "application/json", []byte(`{"severity":"low"}`), http.StatusAccepted)
	p.post("cond", "application/json", []byte(`{"severity":"page"}`), http.StatusAccepted)
	cond.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		for _, e := range entries {
			if words := wordsOf(e); words != "page" {
				t.Fatalf("told: %q", words)
			}
			return nil
		}
		return errors.New("nothing told")
	})
}

// An alias may say by whom and where it may be used.
func TestAllowWhen(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.write("ref: gate\nname: gate\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: conditions\n", "packs", "gate", "pack.yaml")
	alias := "name: %s\naction_ref: core.noop\nformats: [\"%s {{ what }}\"]\nallow_when: %s\n"
	p.write(fmt.Sprintf(alias, "gated", "gated", `channel.name == "#ops" && user.name in ["ann"] && parameters.what != "all"`), "packs", "gate", "aliases", "gated.yaml")
	p.write(fmt.Sprintf(alias, "misspelt", "misspelt", `chanel.name == "#ops"`), "packs", "gate", "aliases", "misspelt.yaml")
	p.start()
	if log := p.log.String(); !strings.Contains(log, "misspelt.yaml:4: allow_when: ") {
		t.Errorf("the misspelt name is not reported:\n%s", log)
	}
	for _, tt := range []struct{ name, channel, say, state, words string }{
		{"ann", "#ops", "!gated one", "succeeded", "core.noop"},
		{"ann", "#ops", "!gated all", "refused", "You may not run this here"},
		{"ann", "#general", "!gated one", "refused", "gate.gated"},
		{"bob", "#ops", "!gated one", "refused", "user.name in"},
	} {
		state, words := p.sit(tt.name, tt.channel).answer(tt.name+tt.channel+tt.say, tt.say)
		if state != tt.state || !strings.Contains(words, tt.words) {
			t.Errorf("%s in %s says %s: %s, %s", tt.name, tt.channel, tt.say, state, words)
		}
	}
}

func TestTimerSetsOffARule(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.write("ref: clock\nname: clock\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: ticks\n", "packs", "clock", "pack.yaml")
	p.write(`
name: tick
enabled: true
trigger: {type: core.st2.IntervalTimer, parameters: {unit: seconds, delta: 1}}
action: {ref: chatops.post_message, parameters: {channel: "#clock", message: "tick at {{ trigger.executed_at }}"}}
`, "packs", "clock", "rules", "tick.yaml")
	p.start()
	clock := p.sit("ann", "#clock")
	clock.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		if len(entries) < 2 {
			return fmt.Errorf("%d ticks", len(entries))
		}
		return nil
	})
}

func TestWebhookRefusals(t *testing.T) {
	p := install(t, "")
	p.start()
	for _, tt := range []struct {
		hook, kind, body string
		status           int
		want             string
	}{
		{"nowhere", "application/json", "{}", http.StatusNotFound, "there is no webhook"},
		{"alertmanager", "application/json", "{", http.StatusBadRequest, "not valid JSON"},
		{"alertmanager", "application/json", "7", http.StatusBadRequest, "object or list"},
		{"alertmanager", "text/plain", "hello", http.StatusBadRequest, "text/plain"},
		{"alertmanager", "application/json", `{"x":"` + strings.Repeat("y", 2<<20) + `"}`, http.StatusBadRequest, "larger than"},
		{"alertmanager", "application/x-www-form-urlencoded", "a=1&a=2", http.StatusAccepted, `"a":["1","2"]`},
	} {
		if got := p.post(tt.hook, tt.kind, []byte(tt.body), tt.status); !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: %s", tt.hook, tt.kind, got)
		}
	}
}

// post sends a webhook and returns the body of the answer.
func (p *petrel) post(hook, kind string, body []byte, want int) string {
	p.t.Helper()
	resp, err := http.Post("http://"+p.addr+"/api/v1/webhooks/"+hook, kind, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != want {
		p.t.Errorf("webhook %s: %s, want %d: %s", hook, resp.Status, want, answer)
	}
	return string(answer)
}

func TestCommandLineErrors(t *testing.T) {
	p := install(t, "")
	p.write("http:\n  lisen: 127.0.0.1:1\nworkers: {concurrency: many}\n", "bad.yaml")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"config", "check", "bad.yaml"}, 2, "bad.yaml:2: http.lisen: unknown key; did you mean listen?"},
		{[]string{"config", "check", "petrel.yaml"}, 0, "in order"},
		{[]string{"config", "print"}, 0, "listen: " + p.addr},
		{[]string{"-c", "bad.yaml", "serve"}, 2, "bad.yaml:3: workers.concurrency: must be a whole number"},
		{[]string{"sevre"}, 2, `there is no command "sevre"`},
		{[]string{"serve", "--nope"}, 2, "unknown flag"},
		{[]string{"serve", "now"}, 2, "petrel serve takes no arguments"},
		{[]string{"store", "backup"}, 2, "needs the file to write"},
		{[]string{"store", "check"}, 1, "petrel.db"},
		{[]string{"node", "list"}, 1, "no server answers at " + p.addr},
		{[]string{"serve", "--roles", "chat,cook"}, 2, `there is no role "cook"`},
		{[]string{"eval", "[1, 2, 3].where($ > 1).sum()"}, 0, "5"},
		{[]string{"eval", "[1, 2"}, 1, "^"},
		{[]string{"eval"}, 2, "needs the expression"},
		{[]string{"--help"}, 0, "Talk to Petrel in this terminal"},
	} {
		out, code := p.run("", tt.args...)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("petrel %s: exit code %d, want %d:\n%s", strings.Join(tt.args, " "), code, tt.code, out)
		}
	}
}

// A backup of a running server is whole and can be served.
func TestBackup(t *testing.T) {
	p := install(t, "")
	p.start()
	ann := p.sit("ann", "#general")
	ann.answer("1", "!run echo before on localhost")
	if out, code := p.run("", "store", "backup", "copy/petrel.db"); code != 1 || !strings.Contains(out, "copy") {
		t.Errorf("backup into a folder that is not there: exit code %d, %s", code, out)
	}
	if err := os.Mkdir(p.file("copy"), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"store", "backup", "copy/petrel.db"}, 0, "copy/petrel.db holds a copy"},
		{[]string{"store", "backup", "copy/petrel.db"}, 1, "exists"},
		{[]string{"store", "check"}, 0, "1 delivery IDs"},
		{[]string{"--data-dir", "copy", "store", "check"}, 0, "1 delivery IDs"},
	} {
		if out, code := p.run("", tt.args...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("petrel %s: exit code %d, want %d:\n%s", strings.Join(tt.args, " "), code, tt.code, out)
		}
	}
	if out, code := p.run("!run echo restored on localhost\n", "--data-dir", "copy", "chat"); code != 0 || !strings.Contains(out, "stdout : restored") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// A second server on the same data is refused with the reason.
func TestOneServerAFolder(t *testing.T) {
	p := install(t, "")
	p.start()
	out, code := p.run("", "serve")
	if code != 1 || !strings.Contains(out, fmt.Sprint(p.cmd.Process.Pid)) {
		t.Errorf("exit code %d, want 1 and the process that has the store:\n%s", code, out)
	}
}

// A running action does not hold up a stop for longer than the configuration
// says, and nothing of it is left behind.
func TestStopWhileBusy(t *testing.T) {
	p := install(t, "")
	p.start()
	ann := p.sit("ann", "#general")
	ann.say("1", "!run echo $$ | tee pid; trap '' TERM; while :; do sleep 1; done on localhost")
	ann.await(30*time.Second, func(map[string]terminal.Entry, map[string]terminal.Frame) error {
		if body, err := os.ReadFile(p.file("pid")); err != nil || len(bytes.TrimSpace(body)) == 0 {
			return errors.New("the command has not begun")
		}
		return nil
	})
	took, code := p.stop()
	if code != 0 || took > 10*time.Second {
		t.Errorf("the stop took %s and gave exit code %d", took, code)
	}
	pid, err := os.ReadFile(p.file("pid"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); err == nil {
		t.Errorf("process %s is still there", pid)
	}
	p.start()
	ann.await(30*time.Second, func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error {
		last := finals(entries)[said["1"].ID]
		if len(last) != 1 || !strings.Contains(wordsOf(last[0]), "status : abandoned") {
			return fmt.Errorf("last words: %+v", last)
		}
		return nil
	})
}
