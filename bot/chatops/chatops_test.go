package chatops

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
)

func TestAddress(t *testing.T) {
	c := &Chat{name: "petrel", prefix: "!"}
	direct := adapters.Channel{ID: "@ann", Direct: true}
	for _, tt := range []struct {
		name  string
		event adapters.Event
		text  string
		ours  bool
	}{
		{"prefix", adapters.Event{Text: "!run date"}, "run date", true},
		{"prefix and blanks", adapters.Event{Text: "  ! run date "}, "run date", true},
		{"plain talk", adapters.Event{Text: "run date"}, "run date", false},
		{"mention", adapters.Event{Text: "run date", Mentioned: true}, "run date", true},
		{"slash command", adapters.Event{Text: "run date", Kind: adapters.CommandCalled}, "run date", true},
		{"by name", adapters.Event{Text: "Petrel: run date"}, "run date", true},
		{"by name and comma", adapters.Event{Text: "petrel, run date"}, "run date", true},
		{"about it", adapters.Event{Text: "petrels are birds"}, "petrels are birds", false},
		{"direct", adapters.Event{Text: "run date", Channel: direct}, "run date", true},
		{"direct with prefix", adapters.Event{Text: "!run date", Channel: direct}, "run date", true},
	} {
		if text, how := c.address(tt.event); text != tt.text || (how != unaddressed) != tt.ours {
			t.Errorf("%s: %q, %d", tt.name, text, how)
		}
	}
	c.prefix = ""
	if text, ours := c.address(adapters.Event{Text: "!run date"}); ours != unaddressed {
		t.Errorf("without a prefix: %q is ours", text)
	}
}

// Answers go into the thread of the command, and flat into a direct conversation.
func TestOrigin(t *testing.T) {
	for _, tt := range []struct {
		event  adapters.Event
		thread string
	}{
		{adapters.Event{Message: "m1", Channel: adapters.Channel{ID: "#ops"}}, "m1"},
		{adapters.Event{Message: "m2", Thread: "m1", Channel: adapters.Channel{ID: "#ops"}}, "m1"},
		{adapters.Event{Message: "m3", Channel: adapters.Channel{ID: "@ann", Direct: true}}, ""},
	} {
		o, err := placeOf(tt.event).origin()
		if err != nil {
			t.Fatal(err)
		}
		var p place
		if err := json.Unmarshal(o.Detail, &p); err != nil {
			t.Fatal(err)
		}
		if p.To.Thread != tt.thread || p.Message != tt.event.Message {
			t.Errorf("%+v is answered at %+v", tt.event, p)
		}
	}
}

func TestTyped(t *testing.T) {
	for _, tt := range []struct {
		kind, text string
		want       any
	}{
		{"array", "a, b,c", []any{"a", "b", "c"}},
		{"array", `["x", 1]`, []any{"x", 1.0}},
		{"array", "one", []any{"one"}},
		{"integer", "5", "5"},
		{"", "a,b", "a,b"},
	} {
		if got := typed(tt.kind, tt.text); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s %q: %v", tt.kind, tt.text, got)
		}
	}
}

func TestResultText(t *testing.T) {
	for _, tt := range []struct{ name, runner, result, want string }{
		{"streams", "local-shell-cmd", `{"succeeded":true,"failed":false,"return_code":0,"stderr":"","stdout":"hi"}`, "stdout : hi"},
		{"failed", "local-shell-cmd", `{"return_code":3,"stdout":"","stderr":"no"}`, "stderr : no\nreturn_code : 3"},
		{"lines", "local-shell-cmd", `{"stdout":"a\nb"}`, "stdout : \na\nb"},
		{"parsed output", "local-shell-cmd", `{"stdout":{"k":[1,2]}}`, "stdout : \n  k : [1,2]"},
		{"everything", "http-request", `{"status_code":200,"body":{"a":{"b":null}},"headers":{}}`, "status_code : 200\nbody : \n  a : \n    b : null\nheaders : {}"},
		{"an error of ours", "local-shell-cmd", `{"error":"it is gone"}`, "error : it is gone"},
		{"canceled", "local-shell-cmd", `{"message":"canceled before it began"}`, "message : canceled before it began"},
		{"a list", "http-request", `[1]`, "[1]"},
		{"nothing", "noop", ``, ""},
	} {
		if got := resultText(tt.runner, json.RawMessage(tt.result)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAuthored(t *testing.T) {
	for text, want := range map[string][]string{
		"plain":          {"plain"},
		"Done {~}line":   {"Done", "line"},
		"a{~}b{~}c":      {"a", "b"},
		"a{~}":           {"a"},
		"{~}only a body": {"only a body"},
	} {
		var got []string
		for _, b := range authored(text) {
			got = append(got, b.Text)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		40 * time.Millisecond:             "0.04s",
		2340 * time.Millisecond:           "2.3s",
		41 * time.Second:                  "41s",
		200 * time.Second:                 "3m20s",
		2 * time.Minute:                   "2m0s",
		2*time.Hour + 5*time.Minute:       "2h5m",
		26*time.Hour + 29*time.Second + 1: "26h0m",
	} {
		if got := took(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

func TestInline(t *testing.T) {
	if got := inline("a `b`\nc"); got != "a 'b' c" {
		t.Errorf("%q", got)
	}
	if got := inline(strings.Repeat("x", 500)); len(got) != 203 {
		t.Errorf("%d characters", len(got))
	}
}
