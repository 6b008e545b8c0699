package secrets

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestMasker(t *testing.T) {
	m := NewMasker("hunter2", "hunter2 and more", "1234567", `say "hi" <é>`, "abc", "first line of it\nsecond line of it\n")
	for _, c := range []struct{ in, want string }{
		{"the hunter2!", "the ********!"},
		{"hunter2 and more", "********"},
		{"abc is too short", "abc is too short"},
		{"only second line of it", "only ********"},
		{"", ""},
	} {
		if got := m.Text(c.in); got != c.want {
			t.Errorf("Text(%q) = %q, want %q", c.in, got, c.want)
		}
	}
	for _, c := range []struct{ in, want string }{
		{`{"a":["x hunter2"],"hunter2":1}`, `{"a": ["x ********"], "********": 1}`},
		{`{"n":1234567,"m":91234567.5,"k":12345}`, `{"n": "********", "m": "********", "k": 12345}`},
		{`{"a":"say \"hi\" \u003c\u00e9\u003e"}`, `{"a": "********"}`},
		{`{"a":"say \"hi\" <é>"}`, `{"a": "********"}`},
		{`{"b":1,"a":null}`, `{"b":1,"a":null}`},
		{`hunter2`, `null`},
	} {
		got := strings.NewReplacer(`": `, `":`, `, "`, `,"`).Replace(string(m.JSON([]byte(c.in))))
		if want := strings.NewReplacer(`": `, `":`, `, "`, `,"`).Replace(c.want); got != want {
			t.Errorf("JSON(%s) = %s, want %s", c.in, got, want)
		}
	}
	m.Replace("", nil)
	if got := m.Text("hunter2"); got != "hunter2" {
		t.Errorf("after Replace: %q", got)
	}
	m.Add("x", "hunter2")
	if got := m.Text("hunter2"); got != Masked {
		t.Errorf("after Add: %q", got)
	}
}

func TestLogHandler(t *testing.T) {
	var out bytes.Buffer
	m := &Masker{}
	log := slog.New(LogHandler(slog.NewTextHandler(&out, nil), m)).With("first", "hunter2 before it is known")
	m.Add("", "hunter2")
	log.With("with", "hunter2").WithGroup("g").Info("said hunter2", "error", errors.New("bad hunter2"),
		slog.Group("in", "a", "hunter2"), "list", []string{"hunter2"}, "n", 5)
	text := out.String()
	if strings.Count(text, "hunter2") != 1 || strings.Count(text, Masked) != 5 || !strings.Contains(text, "g.n=5") {
		t.Errorf("log: %s", text)
	}
}
