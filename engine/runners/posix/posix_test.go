package posix

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestJoinSurvivesAShell(t *testing.T) {
	for _, args := range [][]string{
		{"plain", "--a=b", "/x/y.z"},
		{"", " ", "a b", "\t", "x\ny"},
		{`'`, `"`, "`id`", "$HOME", "$(id)", `\`, "*", "~", "!", "#", "&", ";", "|", "é😀"},
		{`it's "quoted"`, "''", `'"'"'`},
	} {
		out, err := exec.Command("sh", "-c", `printf '%s\0' `+Join(args)).Output()
		got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		if err != nil || !slices.Equal(got, args) {
			t.Errorf("%q became %q (%v) by %s", args, got, err, Join(args))
		}
	}
	if got := Join([]string{"a", "b-c"}); got != "a b-c" {
		t.Errorf("plain words are quoted: %s", got)
	}
}

func TestSudoRefusal(t *testing.T) {
	for text, want := range map[string]string{
		"[sudo] password for ann: Sorry, try again.\nsudo: 3 incorrect password attempts\n": "(ann)",
		"sudo: 1 incorrect password attempt":                                                "(unknown)",
		"[sudo] password for ann: ":                                                         "",
	} {
		got, refused := SudoRefusal([]byte(text))
		if refused != (want != "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestIsVariable(t *testing.T) {
	for name, want := range map[string]bool{"A": true, "_a1": true, "": false, "1a": false, "a-b": false, "a b": false, "a;b": false, "é": false, "a\n": false} {
		if IsVariable(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}
