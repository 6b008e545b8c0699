package tests

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"petrel/adapters/terminal"
)

// seen waits for a message that holds the words.
func (a *person) seen(words ...string) terminal.Entry {
	a.t.Helper()
	var found terminal.Entry
	a.await(60*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		var all []string
		for _, e := range entries {
			text, missing := wordsOf(e), false
			for _, w := range words {
				missing = missing || !strings.Contains(text, w)
			}
			if !missing {
				found = e
				return nil
			}
			all = append(all, text)
		}
		return fmt.Errorf("nobody says %q, but %q", words, all)
	})
	return found
}

// button is the ID of a button by its label.
func (a *person) button(e terminal.Entry, label string) string {
	a.t.Helper()
	if e.Message != nil {
		for _, b := range e.Message.Buttons {
			if b.Label == label {
				return b.ID
			}
		}
	}
	a.t.Fatalf("no button %s: %+v", label, e.Message)
	return ""
}

// taken waits until the server answered a request.
func (a *person) taken(delivery string) terminal.Frame {
	a.t.Helper()
	var f terminal.Frame
	a.await(30*time.Second, func(_ map[string]terminal.Entry, said map[string]terminal.Frame) error {
		got, ok := said[delivery]
		if f = got; !ok {
			return errors.New("the request was not taken")
		}
		return nil
	})
	return f
}

// An incident is reported by a form, and gets a channel of its own.
func TestIncidentByForm(t *testing.T) {
	p := install(t, "")
	p.start()
	ann := p.sit("ann", "#ops")
	ann.say("1", "!report incident")
	ask := ann.seen("Tell us what happened")
	ann.press("2", ask.ID, ann.button(ask, "Report"))
	form := ann.taken("2").Form
	if form == nil || len(form.Inputs) != 2 {
		t.Fatalf("the form is %+v", form)
	}
	submit := func(delivery string, values map[string]string) terminal.Frame {
		ann.mu.Lock()
		r := terminal.Request{Do: terminal.DoSubmit, Delivery: delivery, As: "ann", ID: ask.ID, Form: form.ID, Values: values}
		ann.unsaid[delivery] = r
		ann.write(r)
		ann.mu.Unlock()
		return ann.taken(delivery)
	}
	if problems := submit("3", map[string]string{"people": "bob"}).Problems; problems["title"] == "" {
		t.Errorf("problems: %v", problems)
	}
	if note := submit("4", map[string]string{"title": "The shop is down", "people": "bob, cyd"}).Text; !strings.Contains(note, "sent") {
		t.Errorf("told: %q", note)
	}
	told := wordsOf(ann.seen("*The shop is down* is worked on in #inc-"))
	room := regexp.MustCompile(`#inc-\w+`).FindString(told)
	bob := p.sit("bob", room)
	bob.seen("The topic is now: The shop is down")
	bob.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		for _, e := range entries {
			if strings.Contains(wordsOf(e), "Declared by ann") && e.Pinned {
				return nil
			}
		}
		return fmt.Errorf("no pinned briefing: %+v", entries)
	})
	for _, name := range []string{"ann", "bob", "cyd"} {
		p.sit(name, "@petrel").seen("You are invited to " + room)
	}
}

// The live card of a workflow lists its tasks.
func TestWorkflowCard(t *testing.T) {
	p := install(t, "")
	p.start()
	ann := p.sit("ann", "#ops")
	if state, words := ann.answer("1", "!incident Disk full"); state != "succeeded" || !strings.Contains(words, "is worked on in #inc-") {
		e := ann.seen("Failed after")
		ann.press("3", e.ID, ann.button(e, "Details"))
		t.Fatalf("%s: %s\n%s", state, words, wordsOf(ann.seen("Execution: ")))
	}
	card := ann.seen("Succeeded after", "✓ `open`", "✓ `topic`", "✓ `pin`")
	ann.press("2", card.ID, ann.button(card, "Details"))
	if e := ann.seen("Execution: ", "Action: examples.incident", `"title": "Disk full"`); e.Private != "ann" {
		t.Errorf("the details are for %q", e.Private)
	}
}

// An alert carries a button that says a command, once, in the presser's name.
func TestAlertWithAButton(t *testing.T) {
	p := install(t, "")
	p.start()
	ann := p.sit("ann", "#ops")
	body, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	p.post("alertmanager", "application/json", body, http.StatusAccepted)
	alert := ann.seen("*InstanceDown*")
	if len(alert.Message.Buttons) != 1 || alert.Message.Buttons[0].Confirm != "Really greet web1?" {
		t.Fatalf("buttons: %+v", alert.Message.Buttons)
	}
	id := ann.button(alert, "greet web1")
	ann.press("1", alert.ID, id)
	ann.seen("Hello, web1")
	if after := ann.seen("*InstanceDown*", "ann: greet web1"); len(after.Message.Buttons) > 0 {
		t.Errorf("afterwards there are the buttons %+v", after.Message.Buttons)
	}
}

// Long output is shown by its beginning and end, and is there whole as a file.
func TestLongOutputFromAPipe(t *testing.T) {
	p := install(t, "")
	p.start()
	out, code := p.run("!run seq 1 20000 on localhost\n", "chat", "--as", "ann")
	saved := regexp.MustCompile(`output.txt \(.*\) was saved as (\S+)`).FindStringSubmatch(out)
	if code != 0 || saved == nil || !strings.Contains(out, "characters left out") {
		t.Fatalf("exit code %d:\n%.2000s", code, out)
	}
	if len(out) > 20_000 {
		t.Errorf("%d bytes are printed", len(out))
	}
	path := saved[1]
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.dir, path)
	}
	whole, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(whole), "\n1\n2\n3\n") || !strings.HasSuffix(strings.TrimSpace(string(whole)), "\n20000") {
		t.Errorf("%d bytes, %v", len(whole), err)
	}
}

// Who sees an answer is the alias's choice.
func TestVisibilityFromAPipe(t *testing.T) {
	p := install(t, "packs: [packs]\nchat:\n  still_running_after: 1s\n")
	p.write("ref: vis\nname: vis\nversion: 1.0.0\nauthor: tests\ndescription: visibility\n", "packs", "vis", "pack.yaml")
	for _, v := range []string{"public", "ephemeral", "direct"} {
		p.write(fmt.Sprintf("name: %s\naction_ref: core.local\nvisibility: %s\nformats: ['%s {{ cmd }}']\n", v, v, v), "packs", "vis", "aliases", v+".yaml")
	}
	p.write("name: bad\naction_ref: core.local\nvisibility: secret\nformats: [bad]\n", "packs", "vis", "aliases", "bad.yaml")
	p.start()
	if log := p.log.String(); !strings.Contains(log, "bad.yaml:3: visibility must be public, thread, ephemeral or direct") {
		t.Errorf("the visibility that does not exist is not reported:\n%s", log)
	}
	for line, want := range map[string]string{
		"!public echo a":    `(?m)^petrel: ✓ @ann Action core.local completed`,
		"!ephemeral echo b": `(?m)^\(only you\) petrel: ✓ @ann Action core.local completed`,
		"!direct echo c":    `I answer you in our direct conversation(.|\n)*@petrel petrel: ✓ @ann Action`,
		"!direct sleep 3":   `Still running after (.|\n)*✓ @ann Action`,
	} {
		out, code := p.run(line+"\n", "chat", "--as", "ann")
		if code != 0 || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s: exit code %d, want %s:\n%s", line, code, want, out)
		}
	}
}
