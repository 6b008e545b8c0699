// Package posix holds what actions on this machine and on others share about
// shells and sudo. It starts nothing.
package posix

import (
	"fmt"
	"regexp"
	"strings"
)

const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_"

// Quote makes s one word for a shell.
func Quote(s string) string {
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}

// Join makes one command line of arguments.
func Join(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = Quote(a)
	}
	return strings.Join(quoted, " ")
}

var (
	wrongPassword = regexp.MustCompile(`sudo: \d+ incorrect password attempt`)
	askedUser     = regexp.MustCompile(`\[sudo\] password for (.+?):`)
	variable      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// SudoRefusal finds sudo's complaint about a wrong password in what a command
// printed, and says it in words for people.
func SudoRefusal(stderr []byte) (string, bool) {
	if !wrongPassword.Match(stderr) {
		return "", false
	}
	user := "unknown"
	if m := askedUser.FindSubmatch(stderr); m != nil {
		user = string(m[1])
	}
	return fmt.Sprintf("sudo did not accept the password, or is not configured for this user (%s)", user), true
}

// IsVariable reports whether a shell can export a variable of this name.
func IsVariable(name string) bool { return variable.MatchString(name) }
