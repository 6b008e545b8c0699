//go:build unix

package shell

import (
	"errors"
	"os/exec"
	"strings"

	"petrel/engine/expression/value"
	"petrel/engine/runners"
	"petrel/engine/runners/posix"
	"petrel/engine/runners/process"
)

// sudo makes a command run as root.
type sudo struct{ password string }

func readSudo(params *value.Dict) (*sudo, error) {
	on, err := runners.BoolParam(params, "sudo", false)
	if err != nil || !on {
		return nil, err
	}
	password, err := runners.TextParam(params, "sudo_password")
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(password, "\n\x00") {
		return nil, errors.New("parameter sudo_password must be one line")
	}
	return &sudo{password}, nil
}

// wrap changes c into sudo [-S] -E -- bash -c '...', and lets root end it: we
// may not signal its processes.
func (s *sudo) wrap(c *process.Command) error {
	path, err := exec.LookPath("sudo")
	if err != nil {
		return errors.New("parameter sudo is true, but there is no sudo on this machine")
	}
	if len(c.Args) != 3 || c.Args[1] != "-c" {
		c.Args = []string{"bash", "-c", posix.Join(c.Args)}
	}
	args := []string{path}
	if s.password != "" {
		args = append(args, "-S")
		c.Stdin = []byte(s.password + "\n")
		c.Elevate, c.ElevateInput = []string{path, "-S", "--"}, c.Stdin
	}
	c.Args = append(args, "-E", "--", "bash", "-c", c.Args[2])
	return nil
}

// refused tells whether sudo did not take the password, in words for people.
func (s *sudo) refused(stderr []byte) (string, bool) {
	if s.password == "" {
		return "", false
	}
	return posix.SudoRefusal(stderr)
}
