package diagnose

import (
	"strings"
	"testing"
)

func TestCaret(t *testing.T) {
	long := strings.Repeat("x", 150) + "!" + strings.Repeat("y", 150)
	for _, c := range []struct {
		source string
		offset int
		want   string
	}{
		{"a + b", 4, "a + b\n    ^"},
		{"é + b", 5, "é + b\n    ^"},
		{"one\ntwo x\nthree", 8, "two x\n    ^"},
		{"a", 1, "a\n ^"},
		{"a", 2, ""},
		{"a", -1, ""},
		{"\ta", 1, " a\n ^"},
	} {
		if got := Caret(c.source, c.offset); got != c.want {
			t.Errorf("Caret(%q, %d) = %q, want %q", c.source, c.offset, got, c.want)
		}
	}
	shown, caret, _ := strings.Cut(Caret(long, 150), "\n")
	if len(shown) != maxLine || shown[len(caret)-1] != '!' {
		t.Errorf("a long line is shown as %q with the caret at %d", shown, len(caret)-1)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"select", "selectMany", "where", "orderBy", "toUpper", "len"}
	for name, want := range map[string]string{
		"selct": "select", "slect": "select", "orderby": "orderBy", "toupper": "toUpper", "wehre": "where", "xyz": "", "upper": "", "length": "",
		"selectM": "select", "": "", strings.Repeat("x", 100): "",
	} {
		if got := Nearest(name, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
	if got := DidYouMean("selct", known); got != "did you mean select?" {
		t.Errorf("DidYouMean gives %q", got)
	}
}
