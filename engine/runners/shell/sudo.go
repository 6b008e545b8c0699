//go:build unix

package shell

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"

	"petrel/engine/expression/value"
	"petrel/engine/runners"
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
		c.Args = []string{"bash", "-c", quoteAll(c.Args)}
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

var (
	wrongPassword = regexp.MustCompile(`sudo: \d+ incorrect password attempt`)
	askedUser     = regexp.MustCompile(`\[sudo\] password for (.+?):`)
)

// refused tells whether sudo did not take the password, in words for people.
func (s *sudo) refused(stderr []byte) (string, bool) {
	if s.password == "" || !wrongPassword.Match(stderr) {
		return "", false
	}
	user := "unknown"
	if m := askedUser.FindSubmatch(stderr); m != nil {
		user = string(m[1])
	}
	return fmt.Sprintf("sudo did not accept the password, or is not configured for this user (%s)", user), true
}

// quoteAll joins arguments to one command line for a POSIX shell.
func quoteAll(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = Quote(a)
	}
	return strings.Join(quoted, " ")
}

// Quote makes s one word for a POSIX shell.
func Quote(s string) string {
	plain := s != ""
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_", r) {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}
