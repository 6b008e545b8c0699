package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"petrel/adapters/terminal"
	"petrel/store/redis/redistest"
)

// question waits until a person is asked something, in the conversation, and gives
// the ID of the inquiry.
func (p *petrel) question(a *person, words string) (id string) {
	p.t.Helper()
	a.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		for _, e := range entries {
			if e.Message != nil && strings.Contains(wordsOf(e), words) {
				return nil
			}
		}
		return errors.New("nobody is asked")
	})
	out, code := p.run("", "inquiry", "list", "-j")
	var list []struct{ ID, Message string }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		p.t.Fatalf("inquiry list: exit code %d, %v\n%s", code, err, out)
	}
	for _, q := range list {
		if q.Message == words {
			return q.ID
		}
	}
	p.t.Fatalf("%q is not in the list:\n%s", words, out)
	return ""
}

// lastWord waits for the result of a command.
func (a *person) lastWord(delivery string) (words string) {
	a.t.Helper()
	a.await(30*time.Second, func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error {
		last := finals(entries)[said[delivery].ID]
		if len(last) != 1 {
			return fmt.Errorf("%d last words", len(last))
		}
		words = wordsOf(last[0])
		return nil
	})
	return words
}

// ask sends a request to the API.
func (p *petrel) ask(method, path, body string) (answer string, status int) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, "http://"+p.addr+"/api/v1/"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text), resp.StatusCode
}

// A question of a workflow that was started in chat is asked there, and answered
// at the command line.
func TestInquiryAtTheCommandLine(t *testing.T) {
	p := install(t, "")
	p.start()
	ann := p.sit("ann", "#general")
	ann.say("1", "!example inquiry about the release")
	id := p.question(ann, "Shall the release go on?")
	for _, tt := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "inquiries", "", 200, `"id":"` + id + `","route":"","ttl":60,"users":[],"roles":[],"schema":{`},
		{"GET", "inquiries?limit=x", "", 400, "must be a number"},
		{"GET", "inquiries/" + id, "", 200, `"requester":"ann"`},
		{"PUT", "inquiries/" + id, `{"response"`, 400, "the body must be JSON"},
		{"PUT", "inquiries/" + id, `{"id":"another","response":{}}`, 400, "if it names one"},
		{"PUT", "inquiries/" + id, `{"response":{"continue":1}}`, 400, "does not fit"},
		{"GET", "inquiries/0123456789abcdef01234567", "", 404, "there is no execution"},
		{"POST", "workflows/inspect", "version: 1.0\ntasks: {a: {action: core.nope}}\n", 200, `[{"type":"content","message":"The action \"core.nope\" is not registered in the database."`},
		{"POST", "workflows/inspect", "version: 1.0\ntasks: {a: {action: core.noop}}\n", 200, `[]`},
		{"POST", "workflows/inspect", "a: [", 200, `[{"type":"syntax"`},
	} {
		if got, status := p.ask(tt.method, tt.path, tt.body); status != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s %s: %d\n%s\nwant %d with %s", tt.method, tt.path, status, got, tt.status, tt.want)
		}
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"inquiry", "list"}, 0, id},
		{[]string{"inquiry", "get", id}, 0, `"message": "Shall the release go on?"`},
		{[]string{"inquiry", "get", "nope"}, 1, "there is no execution nope"},
		{[]string{"inquiry", "respond", id, "-r", "yes"}, 2, "must be a JSON object"},
		{[]string{"inquiry", "respond", id, "-r", `{"continue":"x"}`}, 1, "that answer does not fit"},
		{[]string{"inquiry", "respond", id, "-r", `{"continue":true}`, "--as", "bob"}, 0, "answered " + id},
		{[]string{"inquiry", "respond", id, "-r", `{"continue":true}`, "--as", "cy"}, 1, "answered already, by bob"},
		{[]string{"inquiry", "get", id}, 1, "waits for no answer"},
	} {
		if out, code := p.run("", tt.args...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("petrel %s: exit code %d\n%s", strings.Join(tt.args, " "), code, out)
		}
	}
	if got := ann.lastWord("1"); got != "the release goes on" {
		t.Errorf("last word %q", got)
	}
	ann.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		for _, e := range entries {
			if words := wordsOf(e); strings.Contains(words, "✓ `ask`") && strings.Contains(words, "✓ `go`") {
				return nil
			}
		}
		return errors.New("no card with the tasks")
	})
	ann.mu.Lock()
	execution := ""
	for _, e := range ann.entries {
		if m := regexp.MustCompile("execution `([0-9a-f]{24})`").FindStringSubmatch(wordsOf(e)); m != nil {
			execution = m[1]
		}
	}
	ann.mu.Unlock()
	want := `ask [succeeded]  core.ask
├─ <% succeeded() and result().response.continue %> → go [succeeded]  core.local
`
	if out, code := p.run("", "workflow", "graph", execution); code != 0 || !strings.HasPrefix(out, want) {
		t.Errorf("graph: exit code %d\n%s", code, out)
	}
	if out, code := p.run("", "workflow", "graph", execution, "--format", "svg"); code != 0 || !strings.Contains(out, "go · succeeded") {
		t.Errorf("graph: exit code %d\n%s", code, out)
	}
	if out, code := p.run("", "workflow", "graph", id); code != 1 || !strings.Contains(out, "is no workflow") {
		t.Errorf("graph of an inquiry: exit code %d\n%s", code, out)
	}
}

// Workflows that are in the middle of something move to another store with their
// installation and go on there.
func TestWorkflowsMoveToRedis(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.addPack("control", stripFolder(control))
	gate := filepath.Join(p.dir, "gate")
	p.write("name: outer\naction_ref: control.outer\nformats: ['outer {{ path }}']\nresult: {format: '{{ execution.status }}'}\n", "packs", "control", "aliases", "outer.yaml")
	p.start()
	ann := p.sit("ann", "#general")
	ann.say("1", "!example inquiry about the move")
	ann.say("2", "!example delay 2")
	ann.say("3", "!outer "+gate)
	id := p.question(ann, "Shall the move go on?")
	ann.await(30*time.Second, func(_ map[string]terminal.Entry, said map[string]terminal.Frame) error {
		if said["2"].ID == "" || said["3"].ID == "" {
			return errors.New("not taken")
		}
		return nil
	})
	p.kill()
	url := redistest.Start(t).URL("moved")
	if out, code := p.run("", "store", "copy", "--from", "sqlite:data/petrel.db", "--to", url); code != 0 {
		t.Fatalf("copy: exit code %d\n%s", code, out)
	}
	if err := os.WriteFile(gate, []byte("ok\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.write(p.read("petrel.yaml")+"store: "+url+"\n", "petrel.yaml")
	p.start()
	if out, code := p.run("", "inquiry", "respond", id, "-r", `{"continue":true}`); code != 0 {
		t.Errorf("respond: exit code %d\n%s", code, out)
	}
	if got := ann.lastWord("1"); got != "the move goes on" {
		t.Errorf("the inquiry: %q", got)
	}
	if got := ann.lastWord("2"); got != "2 seconds later" && !strings.Contains(got, "Execution failed") { // failed: it ran when it was killed
		t.Errorf("the delay: %q", got)
	}
	// What held the third up was running or had not begun.
	if got := ann.lastWord("3"); got != "failed" && got != "succeeded" {
		t.Errorf("the third: %q", got)
	}
	if resp, err := http.Get("http://" + p.addr + "/readyz"); err != nil || resp.Body.Close() != nil {
		t.Error(err)
	}
}

// stripFolder takes the first folder off the names of files.
func stripFolder(files map[string]string) map[string]string {
	out := map[string]string{}
	for name, body := range files {
		_, rest, _ := strings.Cut(name, "/")
		out[rest] = body
	}
	return out
}
