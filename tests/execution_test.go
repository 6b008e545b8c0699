package tests

import (
	"encoding/json"
	"regexp"
	"testing"
)

// An execution is shown with what it was given and gave, a workflow with its tasks
// and those of its sub-workflows.
func TestExecutionGet(t *testing.T) {
	p := install(t, "")
	p.start()
	out, code := p.run("!example sub-workflow\n", "chat")
	id := regexp.MustCompile("execution `([0-9a-f]{24})`").FindStringSubmatch(out)
	if code != 0 || id == nil {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	out, code = p.run("", "execution", "get", id[1])
	tree := regexp.MustCompile(`(?s)action +examples.sub_workflow\nstatus +succeeded\n.*tasks\n  items +succeeded .*\n    each +succeeded +\S+ +3 items\n  deeper +succeeded .*\n    items +succeeded.*\n      each +succeeded.*result\n.*together 3`)
	if code != 0 || !tree.MatchString(out) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	out, code = p.run("", "execution", "get", id[1], "-j")
	var e struct{ Status string }
	if err := json.Unmarshal([]byte(out), &e); err != nil || code != 0 || e.Status != "succeeded" {
		t.Errorf("exit code %d, %v:\n%s", code, err, out)
	}
	if out, code := p.run("", "execution", "get", "000000000000000000000000"); code != 1 {
		t.Errorf("an execution that is not there: exit code %d:\n%s", code, out)
	}
}
