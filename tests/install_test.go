package tests

import (
	"os/exec"
	"strings"
	"testing"
)

// A pack from its first line to its removal, while the server runs.
func TestPackLifecycle(t *testing.T) {
	p := install(t, "pack_index: [index.json]\n")
	pack := func(code int, want string, args ...string) string {
		t.Helper()
		out, got := p.run("", append([]string{"pack"}, args...)...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("petrel pack %s: exit code %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, want, out)
		}
		return out
	}
	pack(2, "a-z", "create", "My-Pack")
	pack(0, "demo/actions/hello.py", "create", "demo", "--author", "Ann: \"O'Hara\"", "--description", "A pack: \"with\" {{ marks }}")
	pack(1, "is there already", "create", "demo")
	pack(0, "1 pack with 1 action: 0 errors, 0 warnings", "lint", "demo")
	p.start()
	ann := p.sit("ann", "#general")
	if _, words := ann.answer("0", "!demo hello Bob"); strings.Contains(words, "Hello, Bob!") {
		t.Errorf("it is there before it is installed:\n%s", words)
	}
	pack(0, "demo 0.1.0 is installed", "install", "./demo")
	if _, words := ann.answer("1", "!demo hello Bob"); !strings.Contains(words, "Hello, Bob!") {
		t.Errorf("installed:\n%s", words)
	}
	pack(0, "demo.yaml is written", "config", "demo", "greeting=Servus")
	pack(0, `"Servus"`, "config", "demo")
	if _, words := ann.answer("2", "!demo hello Bob"); !strings.Contains(words, "Servus, Bob!") {
		t.Errorf("configured:\n%s", words)
	}
	pack(2, "is not KEY=VALUE", "config", "demo", "greeting")

	// A broken file takes out nothing that was sound before.
	p.write("broken: [", "data", "packs", "demo", "actions", "hello.yaml")
	pack(1, "actions/hello.yaml:1", "register", "demo")
	if _, words := ann.answer("3", "!demo hello Bob"); !strings.Contains(words, "Servus, Bob!") {
		t.Errorf("broken:\n%s", words)
	}

	// From a repository, by its name in an index.
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}, {"-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "-m", "x"}, {"tag", "v0.1.0"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = p.file("demo")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	p.write(`{"packs":{"demo":{"ref":"demo","repo_url":"file://`+p.file("demo")+`","version":"0.1.0","description":"From the index","keywords":["greetings"]}}}`, "index.json")
	pack(0, "From the index", "search", "GREETINGS")
	pack(1, "no pack in the index", "search", "nothing like it")
	pack(0, "in the place of 0.1.0", "install", "demo=0.1.0")
	pack(1, "has no version 0.9.0", "install", "demo=0.9.0")
	pack(0, "version      0.1.0", "get", "demo")
	pack(0, "core/pack.yaml", "create", "core")
	pack(1, "comes first", "install", "./core")
	pack(1, "remove it there", "uninstall", "core")
	pack(0, "demo is removed", "uninstall", "demo")
	pack(0, "From the index", "get", "demo")
	if _, words := ann.answer("4", "!demo hello Bob"); strings.Contains(words, "Bob!") {
		t.Errorf("removed:\n%s", words)
	}
	pack(1, "there is no pack demo", "register", "demo")
}

// What a client of the API sees of a registration.
func TestRegisterOverHTTP(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.writeFleet()
	p.start()
	var counts map[string]int
	p.request("POST", "/packs/register", `{"packs":["fleet"],"types":["action","all"]}`, 200, &counts)
	if counts["actions"] != 1 || counts["aliases"] != 1 || counts["configs"] != 1 || counts["rules"] != 0 {
		t.Errorf("counts: %v", counts)
	}
	p.request("POST", "/packs/register", "", 200, &counts)
	if counts["actions"] < 10 {
		t.Errorf("counts of all: %v", counts)
	}
	p.request("POST", "/packs/register", `{"types":["x"]}`, 400, nil)
	p.request("POST", "/packs/register", `{"packs":["x"]}`, 400, nil)
	p.write("nome: x\n", "packs", "fleet", "actions", "bad.yaml")
	if got := p.request("POST", "/packs/register", `{"packs":["fleet"]}`, 400, nil); !strings.Contains(got, "did you mean name?") {
		t.Error(got)
	}
	p.request("POST", "/packs/register", `{"packs":["core"]}`, 200, nil)
	p.request("POST", "/packs/register", `{"packs":["fleet"],"fail_on_failure":false}`, 200, nil)
}

// What is installed while no server runs is there when one starts.
func TestInstallWithoutServer(t *testing.T) {
	p := install(t, "")
	if out, code := p.run("", "pack", "create", "demo"); code != 0 {
		t.Fatal(out)
	}
	if out, code := p.run("", "pack", "install", "./demo"); code != 0 || !strings.Contains(out, "1 changed") {
		t.Fatalf("without a server:\n%s", out)
	}
	p.start()
	if _, words := p.sit("ann", "#general").answer("1", "!demo hello Bob"); !strings.Contains(words, "Hello, Bob!") {
		t.Error(words)
	}
}
