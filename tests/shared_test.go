package tests

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"petrel/store/redis/redistest"
)

// Two processes on one Redis: packs that one of them is told of reach the other,
// which runs the actions, and so do secret values that are to be hidden.
func TestChangesReachOtherProcesses(t *testing.T) {
	server := redistest.Start(t)
	p := install(t, "roles: [chat, api, rules]\nstore: "+server.URL("shared")+"\npacks: [packs]\n")
	p.write("", "packs", ".keep")
	if out, code := p.run("", "pack", "create", "demo", "--dir", "packs"); code != 0 {
		t.Fatal(out)
	}
	p.keys(1, "petrel key generate", "set", "pw", "x", "-e") // no key is made that others would not have
	p.keys(0, "holds a new key", "generate", "data/keys.json")
	p.start()
	worker := exec.Command(p.bin, "serve", "--roles", "workers", "--node", "worker")
	worker.Dir, worker.Stdout, worker.Stderr = p.dir, p.log, p.log
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		worker.Process.Kill()
		worker.Wait()
	}()
	ann := p.sit("ann", "#general")
	if _, words := ann.answer("1", "!demo hello Bob"); !strings.Contains(words, "Hello, Bob!") {
		t.Errorf("the first answer:\n%s", words)
	}
	p.write("name: more\nrunner_type: python-script\nentry_point: more.py\nparameters:\n  word: {type: string, default: '{{ st2kv.system.pw | decrypt_kv }}'}\n", "packs", "demo", "actions", "more.yaml")
	p.write("from st2common.runners.base_action import Action\n\n\nclass More(Action):\n    def run(self, word):\n        print('printed', word)\n        return len(word)\n", "packs", "demo", "actions", "more.py")
	p.write("name: more\naction_ref: demo.more\nformats: [more of it]\n", "packs", "demo", "aliases", "more.yaml")
	p.keys(0, "is stored", "set", "pw", "a-secret-of-19-chars", "-e")
	if out, code := p.run("", "pack", "register"); code != 0 || !strings.Contains(out, "1 changed") {
		t.Fatal(out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	attempt := "a"
	err := retry(ctx, func() error { // the worker takes it up in its own time
		attempt += "a"
		_, words := ann.answer(attempt, "!more of it")
		if strings.Contains(words, "a-secret-of-19-chars") {
			t.Errorf("the secret is told:\n%s", words)
		}
		if !strings.Contains(words, "result : 20") || !strings.Contains(words, "printed ********") {
			return errors.New(words)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if log := p.log.String(); strings.Contains(log, "a-secret-of-19-chars") {
		t.Errorf("the log tells the secret:\n%s", tail(log, 20))
	}
}
