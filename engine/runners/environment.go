package runners

import (
	"fmt"
	"os"
	"strings"

	"petrel/engine/expression/value"
)

// InheritedEnvironment is our own environment without Petrel's settings
// (PETREL_*), which may hold credentials.
func InheritedEnvironment() []string {
	env := []string{}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "PETREL_") {
			env = append(env, e)
		}
	}
	return env
}

// Environment joins the inherited environment, that of the action and, stronger
// than both, the variables of the execution. The marker is the entry that only
// processes of this execution have.
func Environment(inherited []string, own *value.Dict, job Job) (env []string, marker string, err error) {
	env = append(env, inherited...)
	for k, v := range own.All() {
		name := value.Str(k)
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return nil, "", fmt.Errorf("parameter env: %q cannot be the name of a variable", name)
		}
		if v == nil {
			continue
		}
		text := value.Str(v)
		if strings.Contains(text, "\x00") {
			return nil, "", fmt.Errorf("parameter env: the value of %s contains a zero byte", name)
		}
		env = append(env, name+"="+text)
	}
	env = append(env, job.Env...)
	const id = "ST2_ACTION_EXECUTION_ID="
	for _, e := range job.Env {
		if strings.HasPrefix(e, id) && e != id {
			return env, e, nil
		}
	}
	if job.Execution == nil || job.Execution.ID == "" {
		return env, "", nil
	}
	marker = id + job.Execution.ID
	return append(env, marker), marker, nil
}
