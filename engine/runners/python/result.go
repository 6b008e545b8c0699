//go:build unix

package python

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/engine/runners/output"
	"petrel/engine/runners/process"
)

const (
	// codeInvalidStatus is the exit code of run() returning (not a boolean, x).
	codeInvalidStatus = 220
	codeKilled        = -int(syscall.SIGKILL) // StackStorm's code of a timeout
)

// result is how an action ended, what it printed and what it returned.
type result struct {
	exit           process.Exit
	err            error // of the process
	stdout, stderr *output.Stream
	frame          *output.Stream // see petrel_python/run.py
	budget         *output.Budget
	timeout        time.Duration
	launch         *launch
}

// outcome decides the status; cause says why the work was ended, if it was.
func (r *result) outcome(cause error) runners.Outcome {
	var lost *lostError
	switch {
	case r.budget.Exceeded():
		return r.end(engine.Failed, r.budget.Problem())
	case errors.As(cause, &lost):
		return r.end(engine.Failed, lost.Error())
	case (r.exit.Stopped || r.err != nil) && cause != nil:
		return r.ended(cause)
	case r.err != nil:
		return runners.Failure(fmt.Sprintf("could not run %s: %v", r.launch.interpreter, r.err))
	case r.exit.Code == codeInvalidStatus:
		return runners.Failure(string(r.stderr.Text()))
	case r.exit.Code < 0:
		sig := syscall.Signal(-r.exit.Code)
		return r.end(engine.Failed, fmt.Sprintf("something else ended the action with signal %d (%s)", int(sig), sig))
	case r.exit.Code > 0:
		return r.end(engine.Failed, r.hint())
	}
	if status, _, ok := r.returned(); ok && status != nil && !*status {
		return r.end(engine.Failed, "")
	}
	return r.end(engine.Succeeded, "")
}

// ended is the outcome of an action that was not left to end by itself.
func (r *result) ended(cause error) runners.Outcome {
	var o runners.Outcome
	switch {
	case errors.Is(cause, errTimeout):
		r.exit.Code = codeKilled
		o = r.end(engine.TimedOut, fmt.Sprintf("the action did not finish within %s and was ended", seconds(r.timeout)))
	case errors.Is(cause, runners.ErrCanceled):
		o = r.end(engine.Canceled, "the execution was canceled")
	case errors.Is(cause, runners.ErrShutdown):
		o = r.end(engine.Abandoned, "the program stopped while the action ran")
	default:
		o = r.end(engine.Abandoned, fmt.Sprintf("the action was ended: %v", cause))
	}
	return o
}

// end makes the outcome: {stdout, stderr, exit_code, result[, error]}.
func (r *result) end(status engine.Status, problem string) runners.Outcome {
	if r.err != nil && problem != "" {
		problem += "; " + r.err.Error()
	}
	returned := json.RawMessage(`"None"`) // StackStorm's word for an action that returned nothing at all
	if _, v, ok := r.returned(); ok {
		returned = v
	}
	stdout, stderr := r.stdout.Text(), r.stderr.Text()
	b := make([]byte, 0, len(stdout)+len(stderr)+len(returned)+len(problem)+128)
	b = append(append(b, `{"stdout":`...), output.String(string(stdout))...)
	b = append(append(b, `,"stderr":`...), output.String(string(stderr))...)
	b = fmt.Appendf(b, `,"exit_code":%d,"result":`, r.exit.Code)
	b = append(b, returned...)
	if problem != "" {
		b = append(append(b, `,"error":`...), output.String(problem)...)
	}
	return runners.Outcome{Status: status, Result: append(b, '}')}
}

// returned reads what run() returned; not ok when it did not return.
func (r *result) returned() (status *bool, v json.RawMessage, ok bool) {
	var frame struct {
		Status *bool
		Result json.RawMessage
		Text   *string
	}
	text := bytes.TrimSpace(r.frame.Text())
	if len(text) == 0 || json.Unmarshal(text, &frame) != nil {
		return nil, nil, false
	}
	if frame.Text != nil {
		return frame.Status, output.String(*frame.Text), true
	}
	return frame.Status, frame.Result, frame.Result != nil
}

var missingModule = regexp.MustCompile(`(?m)^(?:ModuleNotFoundError|ImportError): No module named '?([\w.]+)`)

// hint says what helps when a library is missing.
func (r *result) hint() string {
	found := missingModule.FindSubmatch(r.stderr.Text())
	if found == nil {
		return ""
	}
	module := string(found[1])
	_, err := os.Stat(filepath.Join(r.launch.dir, "requirements.txt"))
	inPack, globErr := filepath.Glob(filepath.Join(r.launch.dir, "lib", strings.SplitN(module, ".", 2)[0]+"*"))
	switch {
	case globErr == nil && len(inPack) > 0:
		return fmt.Sprintf("the module %s is in the folder lib of pack %s, which is only on the module path with python.common_libs: true in the configuration", module, r.launch.pack)
	case r.launch.venv == "" && err == nil:
		return fmt.Sprintf("the Python module %s is not there, and pack %s has no virtualenv yet: run petrel pack setup %s", module, r.launch.pack, r.launch.pack)
	case strings.HasPrefix(module, "st2client") && r.launch.venv == "":
		return fmt.Sprintf("pack %s needs StackStorm's client: run petrel pack setup %s, which installs it", r.launch.pack, r.launch.pack)
	case strings.HasPrefix(module, "st2common") || strings.HasPrefix(module, "st2reactor") || strings.HasPrefix(module, "st2actions"):
		return fmt.Sprintf("the action uses %s, an inner part of StackStorm that Petrel does not have", module)
	}
	return fmt.Sprintf("the Python module %s is not there: name it in requirements.txt of pack %s and run petrel pack setup %s", module, r.launch.pack, r.launch.pack)
}

func seconds(d time.Duration) string {
	if d == time.Second {
		return "1 second"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " seconds"
}
