package tests

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"petrel/adapters/terminal"
)

// Commands for the built-in packs, which a pack of our own offers in chat.
func (p *petrel) offer(aliases map[string]string) {
	p.t.Helper()
	p.write("name: offer\nref: offer\ndescription: Commands for tests.\nauthor: Petrel\nversion: 1.0.0\n", "packs", "offer", "pack.yaml")
	for name, alias := range aliases {
		p.write("name: "+name+"\n"+alias, "packs", "offer", "aliases", name+".yaml")
	}
}

func TestBuiltinPacks(t *testing.T) {
	p := install(t, "packs: [packs]\npack_index: [index.json]\n")
	p.offer(map[string]string{
		"ctx":      "action_ref: debug.print_ctx\nformats: [show the context]\n",
		"version":  "action_ref: debug.python_version\nformats: [show python]\n",
		"path":     "action_ref: debug.pythonpath\nformats: [show the path]\n",
		"inject":   "action_ref: core.inject_trigger\nformats: ['inject {{ trigger }} {{ payload }}']\n",
		"announce": "action_ref: core.announcement\nformats: ['announce {{ message }}']\n",
		"dig":      "action_ref: linux.dig\nformats: ['dig {{ hostname }}']\n",
		"setup":    "action_ref: packs.setup_virtualenv\nformats: ['set up {{ packs }}']\n",
		"load":     "action_ref: packs.load\nformats: ['load {{ packs }}']\n",
		"remove":   "action_ref: packs.uninstall\nformats: ['remove {{ packs }}']\n",
		"windows":  "action_ref: core.winrm_cmd\nformats: ['windows {{ cmd }}']\nimmutable_parameters: {host: 127.0.0.1, port: 1, username: u, password: p}\n",
		"talk":     "action_ref: offer.talk\nformats: ['talk {{ message }}']\n",
	})
	p.write("name: event\n", "packs", "offer", "triggers", "event.yaml")
	p.write("name: heard\nenabled: true\ntrigger: {type: offer.event}\naction: {ref: core.local, parameters: {cmd: 'echo {{ trigger.word }} > "+p.file("heard")+"'}}\n", "packs", "offer", "rules", "heard.yaml")
	p.write("name: talk\nrunner_type: announcement\nparameters:\n  experimental: {default: true, immutable: true}\n  route: {default: chatops, immutable: true}\n"+
		"  message: {type: string}\n  channel: {type: string, default: '#general'}\n", "packs", "offer", "actions", "talk.yaml")
	if out, code := p.run("", "pack", "create", "demo"); code != 0 {
		t.Fatal(out)
	}
	p.write(`{"packs":{"demo":{"repo_url":"file://`+p.file("demo")+`","version":"","description":"Says hello"}}}`, "index.json")
	if out, code := p.run("", "pack", "lint", "packs"); code != 0 {
		t.Fatal(out)
	}
	p.start()
	ann := p.sit("ann", "#general")
	for i, c := range []struct{ say, state, want string }{
		{"!show the context", "succeeded", `"user"`},
		{"!show python", "succeeded", "version : 3."},
		{"!show the path", "succeeded", "data/python"},
		{`!announce {"a": 1}`, "succeeded", "a : 1"},
		{`!inject offer.event {"word": "aloud"}`, "succeeded", "trigger_instance"},
		{`!inject offer.none {}`, "failed", `there is no trigger type "offer.none"`},
		{"!dig -x", "failed", "cannot be one"},
		{"!windows dir", "failed", "no shell could be opened on 127.0.0.1"},
		{"!pack search hello", "", "demo"},
		{"!pack show demo", "", "Says hello"},
		{"!pack install demo", "", "Installed: demo 0.1.0"},
		{"!pack get demo", "", "0.1.0"},
		{"!demo hello Bob", "", "Hello, Bob!"},
		{"!set up demo", "succeeded", "virtualenvs"},
		{"!load demo", "succeeded", "actions : 1"},
		{"!remove demo", "succeeded", "Removed: demo"},
		{"!remove ../core", "failed", "no name of a pack"},
		{"!pack install ../core", "", "Nothing was installed"},
	} {
		_, words := ann.answer(string(rune('a'+i)), c.say)
		if c.state != "" && !strings.Contains(words, "status : "+c.state) || !strings.Contains(words, c.want) {
			t.Errorf("%s: want %s %q:\n%s", c.say, c.state, c.want, words)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := retry(ctx, func() error {
		if got := strings.TrimSpace(p.readIfThere("heard")); got != "aloud" {
			return errors.New("the rule heard " + got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	// An announcement on the route chatops is said in the channel.
	if _, words := ann.answer("z", "!talk all is well"); !strings.Contains(words, "status : succeeded") {
		t.Error(words)
	}
	ann.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		for _, e := range entries {
			if strings.TrimSpace(wordsOf(e)) == "all is well" {
				return nil
			}
		}
		return errors.New("nobody said that all is well")
	})
}
