package builtin

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/params"
)

// commandOf is what an action of the pack linux runs on the other machine.
func commandOf(t *testing.T, name string, given map[string]any) *exec.Cmd {
	t.Helper()
	var action *engine.Action
	for _, a := range load(t).Actions {
		if a.Ref == "linux."+name {
			action = a
		}
	}
	if action == nil {
		t.Fatalf("there is no action linux.%s", name)
	}
	var runner engine.Runner
	for _, r := range runners() {
		if r.Name == action.RunnerType {
			runner = r
		}
	}
	set, err := params.Compile(runner.Parameters, action.Parameters)
	if err != nil {
		t.Fatal(err)
	}
	given["hosts"] = "localhost"
	body, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	r := expression.New(expression.Options{})
	live, err := set.Live(t.Context(), r, body, params.Scope{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	forRunner, _, err := set.Final(t.Context(), r, live, params.Scope{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	cmd, _ := forRunner.GetString("cmd")
	c := exec.Command("sh", "-c", cmd.(string))
	c.Env = os.Environ()
	if env, ok := forRunner.GetString("env"); ok {
		if d, ok := env.(*value.Dict); ok {
			for k, v := range d.All() {
				c.Env = append(c.Env, value.Str(k)+"="+value.Str(v))
			}
		}
	}
	return c
}

func TestLinuxFiles(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	run := func(name string, given map[string]any) {
		t.Helper()
		if out, err := commandOf(t, name, given).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	is := func(want string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("files %q, want %q", got, want)
		}
	}
	run("file_touch", map[string]any{"file": in("$(id) a")})
	is("$(id) a")
	run("rm", map[string]any{"target": in("*a")})
	is("")
	run("file_touch", map[string]any{"file": in("one")})
	run("cp", map[string]any{"source": in("one"), "destination": in("two"), "recursive": true, "force": true})
	run("mv", map[string]any{"source": in("two"), "destination": in("three")})
	is("one three")
	run("rm", map[string]any{"target": in("none"), "force": true, "verbose": false})
	run("rm", map[string]any{"target": in("*"), "recursive": true})
	is("")
	// The others at least come out as commands that a shell can read.
	for name, given := range map[string]map[string]any{
		"lsof": {}, "lsof_pids": {"pids": "1 2"}, "netstat": {}, "netstat_grep": {"pids": []int{1, 2}}, "vmstat": {}, "pkill": {"process": "$(id)"},
		"scp":   {"source": "a", "destination": "b", "dest_server": "web1", "recursive": true},
		"rsync": {"source": "a", "dest_server": "web1", "destination": "b"},
	} {
		c := commandOf(t, name, given)
		c.Args = append([]string{"sh", "-n"}, c.Args[1:]...)
		if out, err := c.CombinedOutput(); err != nil || strings.Contains(c.Args[3], "{{") {
			t.Errorf("%s: %v: %s: %s", name, err, out, c.Args[3])
		}
	}
}

func TestLinuxScripts(t *testing.T) {
	root, err := Unpack(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	script := func(name string, args ...string) (string, error) {
		out, err := exec.Command(filepath.Join(root, "linux", "actions", name), args...).CombinedOutput()
		return string(out), err
	}
	var load map[string]any
	if out, err := script("checks/check_loadavg.sh"); err != nil || json.Unmarshal([]byte(out), &load) != nil || load["1"] == nil || load["cpus"] == nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, period := range []string{"0", "1", "5", "15"} {
		if out, err := script("checks/check_loadavg.sh", period); err != nil || json.Unmarshal([]byte(out), &load) != nil {
			t.Errorf("%s: %v: %s", period, err, out)
		}
	}
	sleep := exec.Command("sleep", "60")
	sleep.Args[0] = `sleep "\`
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		sleep.Process.Kill()
		sleep.Wait()
	}()
	var found []struct {
		PID           int
		Name, Command string
	}
	pid := value.Str(int64(sleep.Process.Pid))
	if out, err := script("checks/check_processes.sh", "pid", pid); err != nil || json.Unmarshal([]byte(out), &found) != nil || len(found) != 1 || found[0].Name != "sleep" || !strings.Contains(found[0].Command, `"\`) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := script("checks/check_processes.sh", "name", "^sleep$", "count"); err != nil || strings.TrimSpace(out) == "0" {
		t.Errorf("%v: %s", err, out)
	}
	for _, args := range [][]string{{"checks/check_loadavg.sh", "7"}, {"checks/check_processes.sh", "moon", "x"}, {"checks/check_processes.sh", "name"},
		{"service.sh", "start"}, {"traceroute.sh", "-x"}} {
		if out, err := script(args[0], args[1:]...); err == nil {
			t.Errorf("%v is accepted: %s", args, out)
		}
	}
}
