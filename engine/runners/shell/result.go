//go:build unix

package shell

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"syscall"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/engine/runners/output"
	"petrel/engine/runners/process"
)

// Return codes with a meaning of their own.
const (
	codeKilled     = -int(syscall.SIGKILL) // StackStorm's code of a timeout
	codeTerminated = -int(syscall.SIGTERM)
	codeNoSudo     = -1
)

// result is how a program ended and what it printed.
type result struct {
	status         engine.Status
	exit           process.Exit
	stdout, stderr []byte
	err            string
}

// statusOf is StackStorm's rule: KILL is taken for a timeout, TERM for the end
// of the worker, whoever sent them.
func statusOf(code int) engine.Status {
	switch code {
	case 0:
		return engine.Succeeded
	case codeKilled:
		return engine.TimedOut
	case codeTerminated:
		return engine.Abandoned
	}
	return engine.Failed
}

// explain settles status and error: cause says why the work was ended, if it was.
func (r *result) explain(cause error, s settings, budget *output.Budget) {
	switch {
	case budget.Exceeded():
		r.status, r.err = engine.Failed, budget.Problem()
	case !r.exit.Stopped:
		r.explainOwnEnd(s)
	case errors.Is(cause, errTimeout):
		r.status, r.exit.Code = engine.TimedOut, codeKilled
		r.err = fmt.Sprintf("the action did not finish within %s and was ended", seconds(s))
	case errors.Is(cause, runners.ErrCanceled):
		r.status, r.err = engine.Canceled, "the execution was canceled"
	case errors.Is(cause, runners.ErrShutdown):
		r.status, r.err = engine.Abandoned, "the program stopped while the action ran"
	default:
		r.status, r.err = engine.Abandoned, fmt.Sprintf("the action was ended: %v", cause)
	}
}

// explainOwnEnd adds what the exit code alone does not say.
func (r *result) explainOwnEnd(s settings) {
	if s.sudo != nil {
		if why, refused := s.sudo.refused(r.stderr); refused {
			r.status, r.exit.Code, r.err = engine.Failed, codeNoSudo, why
			return
		}
	}
	if r.exit.Code < 0 {
		sig := syscall.Signal(-r.exit.Code)
		r.err = fmt.Sprintf("something else ended the action with signal %d (%s), before its timeout of %s", int(sig), sig, seconds(s))
	}
}

func seconds(s settings) string {
	n := s.timeout.Seconds()
	if n == 1 {
		return "1 second"
	}
	if n == math.Trunc(n) {
		return strconv.FormatFloat(n, 'f', 0, 64) + " seconds"
	}
	return strconv.FormatFloat(n, 'g', -1, 64) + " seconds"
}

// json is the result as actions see it.
func (r *result) json() []byte {
	return output.Result(r.status == engine.Succeeded, r.exit.Code, r.stdout, r.stderr, r.err)
}

// explainStart says why a program could not be started.
func explainStart(err error, args []string, cwd string) string {
	if cwd != "" {
		if info, statErr := os.Stat(cwd); errors.Is(statErr, fs.ErrNotExist) {
			return fmt.Sprintf("parameter cwd: the folder %s does not exist", cwd)
		} else if statErr == nil && !info.IsDir() {
			return fmt.Sprintf("parameter cwd: %s is not a folder", cwd)
		}
	}
	if errors.Is(err, syscall.E2BIG) {
		return "the command and its environment are too long for this system (on Linux 128 KiB each): put long data into a file"
	}
	return fmt.Sprintf("could not start %s: %v", args[0], err)
}
