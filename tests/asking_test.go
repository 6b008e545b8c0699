package tests

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

// message waits for a message to the person's channel that holds all the words.
func (a *person) message(words ...string) (found terminal.Entry) {
	a.t.Helper()
	a.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		var all []string
		for _, e := range entries {
			text := wordsOf(e)
			all = append(all, text)
			fits := e.Message != nil
			for _, w := range words {
				fits = fits && strings.Contains(text, w)
			}
			if fits {
				found = e
				return nil
			}
		}
		return fmt.Errorf("nobody says %q, but\n%s", words, strings.Join(all, "\n---\n"))
	})
	return found
}

// pressed presses a button by its label and returns what is answered at once.
func (a *person) pressed(delivery string, e terminal.Entry, label string) (said terminal.Frame) {
	a.t.Helper()
	button := ""
	for _, b := range e.Message.Buttons {
		if b.Label == label {
			button = b.ID
		}
	}
	if button == "" {
		a.t.Fatalf("no button %q in %+v", label, e.Message.Buttons)
	}
	a.press(delivery, e.ID, button)
	return a.settled(delivery)
}

// settled waits for the answer to a request.
func (a *person) settled(delivery string) (said terminal.Frame) {
	a.t.Helper()
	a.await(30*time.Second, func(_ map[string]terminal.Entry, answers map[string]terminal.Frame) error {
		var ok bool
		if said, ok = answers[delivery]; !ok {
			return errors.New("no answer to " + delivery)
		}
		return nil
	})
	return said
}

// submit sends a form that a press of a message opened.
func (a *person) submit(delivery string, e terminal.Entry, form *adapters.Form, values map[string]string) terminal.Frame {
	a.t.Helper()
	a.mu.Lock()
	r := terminal.Request{Do: terminal.DoSubmit, Delivery: delivery, As: a.name, ID: e.ID, In: a.channel, Form: form.ID, Values: values}
	a.unsaid[delivery] = r
	a.write(r)
	a.mu.Unlock()
	return a.settled(delivery)
}

const webPack = "ref: web\nname: web\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: a pack\n"

// addWeb installs a pack with an action that has required parameters.
func (p *petrel) addWeb() {
	p.t.Helper()
	p.write(webPack, "packs", "web", "pack.yaml")
	p.write("name: deploy\nrunner_type: local-shell-cmd\nenabled: true\nparameters:\n"+
		"  app: {type: string, required: true}\n  stage: {type: string, required: true, enum: [dev, prod]}\n"+
		"  cmd: {type: string, default: 'echo {{ app }} on {{ stage }}', immutable: true}\n", "packs", "web", "actions", "deploy.yaml")
	p.write("name: deploy\naction_ref: web.deploy\nformats: ['deploy {{ app }} to {{ stage }}']\n"+
		"result: {format: '{{ execution.result.stdout }}'}\n", "packs", "web", "aliases", "deploy.yaml")
	p.write("name: wipe\naction_ref: core.echo\nformats: ['wipe {{ message }}']\nconfirm: 'Really wipe {{ parameters.message }}?'\n"+
		"allow: {groups: [ops]}\ncontact: '@dee'\nresult: {format: '{{ execution.result.stdout }} is gone'}\n", "packs", "web", "aliases", "wipe.yaml")
}

// A question is asked with buttons and a form, survives a crash, and is answered
// once.
func TestMissingParameters(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.addWeb()
	p.start()
	ann, bob := p.sit("ann", "#ops"), p.sit("bob", "#ops")
	ann.say("1", "!deploy shop to")
	q := ann.message("*deploy* needs `stage`")
	if f := bob.pressed("b1", bob.message("*deploy* needs `stage`"), "Fill in"); !strings.Contains(f.Text, "for ann alone") {
		t.Errorf("bob is told %q", f.Text)
	}
	p.kill()
	p.start()
	form := ann.pressed("2", q, "Fill in").Form
	if form == nil || len(form.Inputs) != 1 || form.Inputs[0].Kind != adapters.ChoiceInput {
		t.Fatalf("form: %+v", form)
	}
	if f := ann.submit("3", q, form, map[string]string{"stage": "moon"}); !strings.Contains(f.Problems["stage"], "dev, prod") {
		t.Errorf("a wrong value: %+v", f)
	}
	ann.submit("4", q, form, map[string]string{"stage": "prod"})
	ann.message("shop on prod")
	ann.message("*deploy* needs `stage`", "ann: filled in")
}

// A typo is offered as a button that runs what was meant.
func TestDidYouMean(t *testing.T) {
	p := install(t, "")
	p.start()
	ann := p.sit("ann", "#general")
	ann.say("1", "!ecoh good morning")
	q := ann.message("I do not know the command", "!echo good morning")
	if f := ann.pressed("2", q, "echo good morning"); f.Disposition != terminal.Accepted {
		t.Errorf("the press: %+v", f)
	}
	ann.message("Did you mean", "ann: echo good morning")
	if words := ann.lastWord("1"); words != "good morning" {
		t.Errorf("last word %q", words)
	}
}

// Groups of the configuration decide who may run what, and a dangerous command
// asks before it runs.
func TestConfirmAndGroups(t *testing.T) {
	p := install(t, "packs: [packs]\npeople:\n  ann: {groups: [ops]}\n  robert: {chat: ['terminal:@bob'], groups: [ops]}\n")
	p.addWeb()
	p.start()
	ann, bob, cyd := p.sit("ann", "#ops"), p.sit("bob", "#ops"), p.sit("cyd", "#ops")
	state, words := cyd.answer("c1", "!wipe disk1")
	if state != "refused" || !strings.Contains(words, "allows it only to the groups ops (allow.groups), and you are cyd. Ask @dee.") {
		t.Errorf("%s: %s", state, words)
	}
	if _, words := cyd.answer("c2", "!help wipe"); strings.Contains(words, "!wipe") {
		t.Errorf("cyd sees what she may not run: %s", words)
	}
	ann.say("1", "!wipe disk1")
	ann.pressed("2", ann.message("Really wipe disk1?"), "Run")
	ann.message("disk1 is gone")
	bob.say("3", "!wipe disk2")
	bob.pressed("4", bob.message("Really wipe disk2?"), "Cancel")
	bob.message("Really wipe disk2?", "robert: Cancel")
}

// A workflow asks for an approval, and gets it by a button.
func TestApprovalByButton(t *testing.T) {
	p := install(t, "")
	p.start()
	ann, bob := p.sit("ann", "#general"), p.sit("bob", "#general")
	ann.say("1", "!example inquiry about the release")
	ann.message("Shall the release go on?")
	bob.pressed("2", bob.message("Shall the release go on?"), "Approve")
	if words := ann.lastWord("1"); words != "the release goes on" {
		t.Errorf("last word %q", words)
	}
	ann.message("Answered", "*bob* approved")
}

// A slash command that lacks something is answered by a form at once.
func TestSlashCommandOpensAForm(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.addWeb()
	p.start()
	ann := p.sit("ann", "#ops")
	ann.mu.Lock()
	r := terminal.Request{Do: terminal.DoCall, Delivery: "1", As: ann.name, In: ann.channel, Command: "petrel", Text: "deploy shop to"}
	ann.unsaid["1"] = r
	ann.write(r)
	ann.mu.Unlock()
	said := ann.settled("1")
	form := said.Form
	if form == nil || len(form.Inputs) != 1 || form.Inputs[0].Name != "stage" {
		t.Fatalf("form: %+v", form)
	}
	ann.submit("2", terminal.Entry{ID: said.ID}, form, map[string]string{"stage": "dev"})
	ann.message("shop on dev")
}
