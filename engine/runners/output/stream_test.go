package output

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStreamKeepsCharactersWhole(t *testing.T) {
	text := "aé€😀z"
	for cut := 1; cut < len(text); cut++ {
		var pieces []string
		s := NewStream(NewBudget(0, nil), func(p []byte) { pieces = append(pieces, string(p)) })
		s.Write([]byte(text[:cut]))
		s.Write([]byte(text[cut:]))
		s.Close()
		for _, p := range pieces {
			if !utf8.ValidString(p) {
				t.Errorf("cut at %d: piece %q is not UTF-8", cut, p)
			}
		}
		if got := strings.Join(pieces, ""); got != text || string(s.Text()) != text {
			t.Errorf("cut at %d: pieces %q, text %q", cut, got, s.Text())
		}
	}
}

func TestStreamByteByByte(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"plain":              "plain",
		"\xff\xfe\x00a":      "\uFFFD\uFFFD\x00a",
		"€\xe2\x82":          "€\uFFFD\uFFFD",
		"\xe2\x28\xa1":       "\uFFFD(\uFFFD",
		"\xf0\x9f\x98\x80ok": "😀ok",
		"\x80\x80\x80\x80":   "\uFFFD\uFFFD\uFFFD\uFFFD",
	} {
		s := NewStream(NewBudget(0, nil), nil)
		for i := range len(in) {
			s.Write([]byte{in[i]})
		}
		s.Close()
		if got := string(s.Text()); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestBudgetIsShared(t *testing.T) {
	told := 0
	b := NewBudget(10, func() { told++ })
	one, two := NewStream(b, nil), NewStream(b, nil)
	one.Write([]byte("123456"))
	if b.Exceeded() {
		t.Fatal("exceeded too early")
	}
	two.Write([]byte("abc€"))
	two.Write([]byte("more"))
	one.Write([]byte("more"))
	if string(one.Text()) != "123456" || string(two.Text()) != "abc" || told != 1 || !b.Exceeded() {
		t.Errorf("one %q, two %q, told %d", one.Text(), two.Text(), told)
	}
	if !strings.Contains(b.Problem(), "10 bytes") {
		t.Errorf("problem: %s", b.Problem())
	}
}

func TestBudgetCountsWhatTheResultTakes(t *testing.T) {
	for _, unit := range []string{"\x00", "\n", "\"", "\\", "x", "€", "\x1b", "\b", "\f", "\x7f", "\t", "<", "😀"} {
		b := NewBudget(600, nil)
		s := NewStream(b, nil)
		for !b.Exceeded() {
			s.Write([]byte(unit))
		}
		s.Close()
		if n := len(String(string(s.Text()))) - 2; n > 600 || n < 590 {
			t.Errorf("%q: the budget of 600 bytes holds %d", unit, n)
		}
	}
	if b := NewBudget(0, nil); !strings.Contains(b.Problem(), "64 MiB") {
		t.Errorf("default: %s", b.Problem())
	}
}

func TestValue(t *testing.T) {
	for in, want := range map[string]string{
		"":                   `""`,
		"\n":                 `""`,
		"text\n":             `"text"`,
		"text\r\n":           `"text"`,
		"text\n\n":           `"text\n"`,
		"text\r":             `"text\r"`,
		"5\n":                `5`,
		" {\"b\":1,\"a\":2}": `{"b":1,"a":2}`,
		`"x"`:                `"x"`,
		"null\n":             `null`,
		"{\"a\":1}\n{}":      `"{\"a\":1}\n{}"`,
		"NaN":                `"NaN"`,
		"<a&b>":              `"<a&b>"`,
	} {
		if got := string(Value([]byte(in))); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("a€\xff😀"), 3)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		whole, parts := NewStream(NewBudget(0, nil), nil), NewStream(NewBudget(0, nil), nil)
		whole.Write(in)
		whole.Close()
		if cut < 0 || cut > len(in) {
			cut = len(in) / 2
		}
		parts.Write(in[:cut])
		parts.Write(in[cut:])
		parts.Close()
		if !bytes.Equal(whole.Text(), parts.Text()) {
			t.Errorf("%q cut at %d: %q and %q", in, cut, whole.Text(), parts.Text())
		}
		if utf8.Valid(in) != bytes.Equal(in, whole.Text()) && !utf8.Valid(whole.Text()) {
			t.Errorf("%q became %q", in, whole.Text())
		}
	})
}
