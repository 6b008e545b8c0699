package tests

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// writeFleet writes a pack that uses what packs use: a configuration with a
// default and a secret, a library of its own, and one from its requirements.
func (p *petrel) writeFleet() {
	p.write("name: Fleet\nref: fleet\ndescription: Python actions.\nauthor: Petrel\nversion: 1.0.0\n", "packs", "fleet", "pack.yaml")
	p.write("kitwheel>=1.0\n", "packs", "fleet", "requirements.txt")
	p.write("region:\n  type: string\n  default: north\ntoken:\n  type: string\n  secret: true\n  required: true\n", "packs", "fleet", "config.schema.yaml")
	p.write("token: t0ken\n", "data", "configs", "fleet.yaml")
	p.write("name: ship\nrunner_type: python-script\nentry_point: ship.py\nparameters:\n"+
		"  what: {type: string, required: true}\n  times: {type: integer, default: 1}\n  where: {type: string, default: '{{ config_context.region }}'}\n",
		"packs", "fleet", "actions", "ship.yaml")
	p.write(`import os

from st2common.runners.base_action import Action

from lib.words import GREETING


class Ship(Action):
    def run(self, what, times, where):
        if what == "nothing":
            return False, "there is nothing to ship"
        if what == "wheel":
            import kitwheel

            return kitwheel.WORD
        if what == "slowly":
            import time

            print("waiting in", os.getpid(), flush=True)
            time.sleep(300)
        print("shipping")
        self.logger.info("token of %d characters", len(self.config["token"]))
        return " ".join([GREETING, where] + [what] * times)
`, "packs", "fleet", "actions", "ship.py")
	p.write("GREETING = \"to the\"\n", "packs", "fleet", "actions", "lib", "words.py")
	p.write("name: ship\naction_ref: fleet.ship\nformats:\n  - ship {{ what }}\n", "packs", "fleet", "aliases", "ship.yaml")
}

// writeWheel writes a Python package of one module.
func (p *petrel) writeWheel() {
	p.t.Helper()
	const info = "kitwheel-1.0.dist-info/"
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"kitwheel.py":     "WORD = 'from the wheel'\n",
		info + "METADATA": "Metadata-Version: 2.1\nName: kitwheel\nVersion: 1.0\n",
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		info + "RECORD":   "kitwheel.py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n",
	} {
		w, err := z.Create(name)
		if err != nil {
			p.t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.write(b.String(), "wheels", "kitwheel-1.0-py3-none-any.whl")
}

// A pack with Python actions, from the folder to the answer in chat.
func TestPythonPack(t *testing.T) {
	for _, mode := range []string{"true", "false"} {
		t.Run("prewarm "+mode, func(t *testing.T) {
			p := install(t, "packs: [packs]\npython: {prewarm: "+mode+"}\n")
			p.writeFleet()
			p.writeWheel()
			if out, code := p.run("", "pack", "lint", "packs"); code != 0 || !strings.Contains(out, "1 pack with 1 action: 0 errors, 0 warnings") {
				t.Fatalf("lint: exit code %d:\n%s", code, out)
			}
			p.start()
			ann := p.sit("ann", "#general")
			for i, tt := range []struct{ say, state, want string }{
				{"!ship boxes times=2", "succeeded", "to the north boxes boxes"},
				{"!ship boxes", "succeeded", "token of 5 characters"},
				{"!ship boxes where=south", "succeeded", "to the south boxes"},
				{"!ship nothing", "failed", "there is nothing to ship"},
				{"!ship wheel", "failed", "petrel pack setup fleet"},
			} {
				_, words := ann.answer(string(rune('a'+i)), tt.say)
				if !strings.Contains(words, "status : "+tt.state) || !strings.Contains(words, tt.want) || strings.Contains(words, "t0ken") {
					t.Errorf("%s: want %s %q:\n%s", tt.say, tt.state, tt.want, words)
				}
			}
			if mode == "true" { // a running server takes notice of a virtualenv
				out, code := p.run("", "pack", "setup", "fleet", "--no-index", "--find-links", "wheels")
				if code != 0 || !strings.Contains(out, "fleet: ") {
					t.Fatalf("setup: exit code %d:\n%s", code, out)
				}
				if _, words := ann.answer("z", "!ship wheel"); !strings.Contains(words, "from the wheel") {
					t.Error(words)
				}
				if out, _ := p.run("", "pack", "list"); !strings.Contains(out, "virtualenv") {
					t.Errorf("list:\n%s", out)
				}
			}
			p.leavesNoPython()
		})
	}
}

// leavesNoPython stops the program while an action runs and looks for what is left.
func (p *petrel) leavesNoPython() {
	p.t.Helper()
	bob := p.sit("bob", "#general")
	bob.say("slow", "!ship slowly")
	begun := time.Now()
	for !slices.ContainsFunc(p.pythons(), func(args string) bool { return strings.Contains(args, "petrel_python") }) {
		if time.Since(begun) > 30*time.Second {
			p.t.Fatal("no Python runs")
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.stop()
	if left := p.pythons(); len(left) > 0 {
		p.t.Errorf("left behind: %q", left)
	}
}

// pythons lists the command lines of processes that run this installation's
// Python code.
func (p *petrel) pythons() (list []string) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range files {
		if args, err := os.ReadFile(f); err == nil && bytes.Contains(args, []byte(p.file("data", "python"))) {
			list = append(list, strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return list
}

func TestPackCommands(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.writeFleet()
	p.write("nome: x\nrunner_type: python-script\n", "packs", "fleet", "actions", "bad.yaml")
	p.write("token: 5\n", "data", "configs", "fleet.yaml")
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"pack", "lint", "packs/fleet"}, 1, "packs/fleet/actions/bad.yaml:1: unknown field nome; did you mean name?"},
		{[]string{"pack", "lint", "packs"}, 1, "fleet.yaml:1: token: the value does not fit its schema"},
		{[]string{"pack", "lint", "data"}, 1, "there is no pack"},
		{[]string{"pack", "lint"}, 2, "needs the folder of a pack"},
		{[]string{"pack", "list"}, 0, "fleet     1.0.0"},
		{[]string{"pack", "setup"}, 2, "or --all"},
		{[]string{"pack", "setup", "none"}, 1, "there is no pack none"},
		{[]string{"pack", "setup", "fleet", "--no-index"}, 1, "kitwheel"},
	} {
		if out, code := p.run("", tt.args...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("petrel %s: exit code %d, want %d and %q:\n%s", strings.Join(tt.args, " "), code, tt.code, tt.want, out)
		}
	}
	p.start()
	if _, words := p.sit("ann", "#general").answer("1", "!ship boxes"); !strings.Contains(words, "the configuration of pack fleet cannot be used") {
		t.Error(words)
	}
}
