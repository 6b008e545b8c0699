package config

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the table of docs/configuration.md")

func write(t *testing.T, dir, body string) string {
	t.Helper()
	path := filepath.Join(dir, FileName)
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	dir := t.TempDir()
	c, err := Load(LoadOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTP.Listen != "127.0.0.1:8080" || c.HTTP.MaxBody != 1<<20 || c.Chat.Prefix != "!" ||
		c.Chat.Terminal.DefaultChannel != "#general" || c.ShutdownTimeout.Std() != 10*time.Second {
		t.Errorf("unexpected defaults: %+v", c)
	}
	if want := "sqlite:" + filepath.Join(dir, "data", "petrel.db"); c.StoreURL() != want {
		t.Errorf("StoreURL() = %s, want %s", c.StoreURL(), want)
	}
}

func TestFileEnvironmentAndCommandLine(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, `
data_dir: state
store: sqlite:db/x.db
packs: [packs, /srv/packs]
http:
  listen: :9000
  max_body: 64KiB
chat:
workers: {concurrency: 3}
shutdown_timeout: 1m30s
`)
	c, err := Load(LoadOptions{
		Path: path,
		Env:  []string{"PETREL_WORKERS__CONCURRENCY=5", "PETREL_HTTP__LISTEN=:9001", "PETREL_PACKS=a, /b", "HOME=/x", "PETREL_PORT=tcp://10.0.0.1:80"},
		Set:  map[string]string{"http.listen": "127.0.0.1:9002"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.DataDir = filepath.Join(dir, "state")
	want.Store.URL = URL("sqlite:" + filepath.Join(dir, "db/x.db"))
	want.Packs = []string{"a", "/b"}
	want.HTTP = HTTP{Listen: "127.0.0.1:9002", MaxBody: 64 << 10}
	want.Workers.Concurrency = 5
	want.ShutdownTimeout = Duration(90 * time.Second)
	want.origins = c.origins
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	for key, from := range map[string]string{
		"data_dir":            path + ":2",
		"store.url":           path + ":3",
		"http.max_body":       path + ":7",
		"workers.concurrency": "environment PETREL_WORKERS__CONCURRENCY",
		"http.listen":         "command line",
	} {
		if got := c.origins[key].String(); got != from {
			t.Errorf("%s comes from %q, want %q", key, got, from)
		}
	}
}

func TestFileFromEnvironment(t *testing.T) {
	path := write(t, t.TempDir(), "chat: {name: gull}\n")
	c, err := Load(LoadOptions{Dir: t.TempDir(), Env: []string{"PETREL_CONFIG=" + path}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Chat.Name != "gull" {
		t.Errorf("chat.name = %q, want gull", c.Chat.Name)
	}
}

func TestProblems(t *testing.T) {
	for _, tt := range []struct{ name, yaml, want string }{
		{"unknown key", "\nhtpp: {}\n", `F:2: htpp: unknown key; did you mean http?`},
		{"unknown inner key", "http:\n  lisen: :1\n", `F:2: http.lisen: unknown key; did you mean listen?`},
		{"nothing near", "zzzzzzzz: 1\n", `F:1: zzzzzzzz: unknown key; known here: KEYS`},
		{"twice", "data_dir: a\ndata_dir: b\n", `F:2: data_dir: is set twice, first in line 1; remove one`},
		{"section is text", "http: yes please\n", `F:1: http: must be a mapping with the keys listen, public_url, max_body, token, but is the text "yes please"`},
		{"file is a list", "- a\n", `F:1: must be a mapping with the keys KEYS, but is a list`},
		{"no value", "chat:\n  name:\n", `F:2: chat.name: has no value; give one (text) or remove the line`},
		{"number for text", "chat: {name: 5}\n", `F:1: chat.name: must be text, but is the number 5; put it in quotes if you mean the text`},
		{"number for path", "data_dir: 5\n", `F:1: data_dir: must be a path, but is the number 5; put it in quotes if you mean the text`},
		{"text for number", "workers: {concurrency: many}\n", `F:1: workers.concurrency: must be a whole number, but is the text "many"`},
		{"list for number", "workers: {concurrency: [1]}\n", `F:1: workers.concurrency: must be a whole number, but is a list`},
		{"bare duration", "shutdown_timeout: 10\n", `F:1: shutdown_timeout: must be a duration with its unit, such as 10s, but is the number 10`},
		{"bad duration", "shutdown_timeout: soon\n", `F:1: shutdown_timeout: "soon" is not a duration; write for example 10s, 5m, 1h30m or 30d`},
		{"bad size", "http: {max_body: 1 loaf}\n", `F:1: http.max_body: "1 loaf" is not a size; write for example 1MiB, 64KiB or a number of bytes`},
		{"size is a flag", "http: {max_body: true}\n", `F:1: http.max_body: must be a size such as 1MiB, but is true`},
		{"enum", "log: {level: loud}\n", `F:1: log.level: "loud" is not possible; write one of debug, info, warn, error`},
		{"text for list", "packs: here\n", `F:1: packs: must be a list (list of paths), but is the text "here"; write [a, b]`},
		{"number in list", "packs: [a, 5]\n", `F:1: packs: entry 2 must be text, but is the number 5`},
		{"not YAML", "a: b\n c: d\n", `F:2: not YAML: mapping values are not allowed in this context`},
		{"two documents", "data_dir: a\n---\ndata_dir: b\n", `F:2: a second document begins here; keep everything in one`},
		{"store", "store: mysql://x\n", `F:1: store.url: "mysql://x" is not a store; write sqlite:PATH, for example sqlite:./data/petrel.db, or redis://host:6379/0`},
		{"store password", "store: ftp://me:secret@x\n", `F:1: store.url: "ftp://me:xxxxx@x" is not a store; write sqlite:PATH, for example sqlite:./data/petrel.db, or redis://host:6379/0`},
		{"listen", "http:\n  listen: localhost\n", `F:2: http.listen: "localhost" is not host:port; write for example 127.0.0.1:8080, or :8080 for all interfaces`},
		{"open to others", "http: {listen: \":8080\"}", `F:1: http.listen: ":8080" can be reached from other machines, so http.token must be set; or listen on 127.0.0.1`},
		{"port", "http: {listen: ':99999'}\n", `F:1: http.listen: "99999" is not a port between 0 and 65535`},
		{"zero size", "http: {max_body: 0}\n", `F:1: http.max_body: must be at least 1 byte, for example 1MiB`},
		{"prefix", "chat: {prefix: 'hey you'}\n", `F:1: chat.prefix: "hey you" holds white space; use one or a few visible characters, for example !`},
		{"name", "chat: {name: ''}\n", `F:1: chat.name: must be one word, for example petrel`},
		{"channel", "chat: {terminal: {default_channel: general}}\n", `F:1: chat.terminal.default_channel: "general" is not a channel; write for example "#general", with the quotes`},
		{"concurrency", "workers: {concurrency: 0}\n", `F:1: workers.concurrency: must be at least 1`},
		{"timeout", "shutdown_timeout: 0s\n", `F:1: shutdown_timeout: must be longer than 0s, for example 10s`},
		{"data_dir", "data_dir: ''\n", `F:1: data_dir: must not be empty; the default is ./data`},
		{"packs", "packs: ['']\n", `F:1: packs: entry 1 is empty; each entry is a folder`},
		{"rows", "webhooks: github\n", `F:1: webhooks: must be a list of mappings, but is the text "github"; begin each entry with -`},
		{"unknown key of a row", "webhooks:\n- url: a\n  scheem: github\n", `F:3: webhooks[0].scheem: unknown key; did you mean scheme?`},
		{"scheme of a row", "webhooks:\n- url: a\n  scheme: gitbub\n", `F:3: webhooks[0].scheme: "gitbub" is not possible; write one of github, gitlab, slack, pagerduty, stripe, standard, alertmanager, grafana, bearer, basic, header, hmac`},
		{"row without a secret", "webhooks:\n- {url: a, scheme: github, secret: x}\n- url: b\n  scheme: github\n", `F:3: webhooks[1].secret: is missing: what the sender proves itself with`},
		{"several", "a: 1\nlog: {level: loud}\nhttp: 3\n", "F:1: a: unknown key; known here: KEYS\nF:2: log.level: \"loud\" is not possible; write one of debug, info, warn, error\nF:3: http: must be a mapping with the keys listen, public_url, max_body, token, but is the number 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, t.TempDir(), tt.yaml)
			err := Check(path)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error is %v, want Problems", err)
			}
			keys := strings.Join(names(children(reflect.ValueOf(Default()).Elem(), "")), ", ")
			if got, want := strings.ReplaceAll(err.Error(), path, "F"), strings.ReplaceAll(tt.want, "KEYS", keys); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestEnvironmentProblems(t *testing.T) {
	_, err := Load(LoadOptions{Dir: t.TempDir(), Env: []string{"PETREL_HTTP__LISTN=:1", "PETREL_LOG__LEVEL=loud", "PETREL_WORKERS__CONCURRENCY=x"}})
	want := "environment PETREL_HTTP__LISTN: unknown variable; did you mean PETREL_HTTP__LISTEN?\n" +
		"environment PETREL_LOG__LEVEL: log.level: \"loud\" is not possible; write one of debug, info, warn, error\n" +
		"environment PETREL_WORKERS__CONCURRENCY: workers.concurrency: must be a whole number, but is \"x\""
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = Load(LoadOptions{Dir: t.TempDir(), Set: map[string]string{"http.lsten": ":1"}})
	if err == nil || !strings.Contains(err.Error(), "did you mean http.listen?") {
		t.Errorf("command line: %v", err)
	}
}

func TestNamedFileMustExist(t *testing.T) {
	_, err := Load(LoadOptions{Path: filepath.Join(t.TempDir(), "none.yaml")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want a not-exist error", err)
	}
}

// What Print writes, Load accepts, and means the same.
func TestPrintRoundTrip(t *testing.T) {
	path := write(t, t.TempDir(), "packs: ['a, b', /c]\nlog: {level: debug}\nchat: {prefix: ''}\n")
	c, err := Load(LoadOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	if want := "level: debug # " + path + ":2\n"; !strings.Contains(b.String(), want) {
		t.Errorf("printed configuration lacks %q:\n%s", want, b.String())
	}
	again, err := Load(LoadOptions{Path: write(t, t.TempDir(), strings.ReplaceAll(b.String(), "./data", c.DataDir))})
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	again.origins = c.origins
	again.DataDir = c.DataDir // a relative path starts at the folder of its file
	if !reflect.DeepEqual(c, again) {
		t.Errorf("got  %+v\nwant %+v", again, c)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	type section struct {
		Token Secret `yaml:"token"`
		Unset Secret `yaml:"unset"`
	}
	s := section{Token: "hunter2"}
	body, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := printStruct(&printed, reflect.ValueOf(&s).Elem(), nil); err != nil {
		t.Fatal(err)
	}
	all := string(body) + printed.String() + fmt.Sprintf("%s %v %+v %#v %q", s.Token, s, s, s, s.Token) + s.Token.LogValue().String()
	if strings.Contains(all, "hunter2") || s.Token.Reveal() != "hunter2" {
		t.Errorf("a secret is shown: %s", all)
	}
	if !strings.Contains(printed.String(), "token: '********'") || !strings.Contains(printed.String(), `unset: ""`) {
		t.Errorf("printed %s", printed.String())
	}
}

func TestListedSecretsAreMasked(t *testing.T) {
	c, err := Load(LoadOptions{Path: write(t, t.TempDir(), "chat: {mattermost: {command_tokens: [hunter2, hunter3]}}\n")})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "hunter") || strings.Count(b.String(), mask) != 2 {
		t.Errorf("printed %s", b.String())
	}
}

func TestSizesAndDurations(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "17": 17, "1MiB": 1 << 20, "64 KiB": 64 << 10, "2GB": 2e9, "5B": 5} {
		got, err := parseSize(text)
		if err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
		if back, err := parseSize(got.String()); err != nil || back != want {
			t.Errorf("%d prints as %s, which is %d, %v", want, got, back, err)
		}
	}
	for _, bad := range []string{"", "MiB", "-1", "9999999999GiB", "1.5MiB", "1TiB"} {
		if got, err := parseSize(bad); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", bad, got)
		}
	}
	for text, want := range map[time.Duration]string{10 * time.Second: "10s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", 0: "0s", 70 * time.Minute: "1h10m"} {
		if got := Duration(text).String(); got != want {
			t.Errorf("%v prints as %s, want %s", text, got, want)
		}
	}
}

// docs/configuration.md lists exactly the keys that exist.
func TestDocumentation(t *testing.T) {
	const path = "../docs/configuration.md"
	const begin, end = "<!-- keys: written by go test ./config -update -->\n", "<!-- end of keys -->\n"
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, k := range Keys() {
		if k.Doc == "" {
			t.Errorf("%s has no doc tag", k.Path)
		}
		env := "."
		if k.Env != "" {
			env = fmt.Sprintf(" Environment: `%s`.", k.Env)
		}
		fmt.Fprintf(&table, "\n### `%s`\n%s\n\nType: %s. Default: `%s`.%s\n", k.Path, k.Doc, k.Type, k.Default, strings.TrimPrefix(env, "."))
	}
	head, rest, ok := strings.Cut(string(body), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the markers %q and %q", path, begin, end)
	}
	want := head + begin + table.String() + "\n" + end + tail
	if want == string(body) {
		return
	}
	if !*update {
		t.Fatalf("%s does not list the keys as they are; run go test ./config -update", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("http: {listen: ':1'}\npacks: [a]\n")
	f.Add("a: &x [*x]\n<<: *x\n")
	f.Fuzz(func(t *testing.T, body string) {
		c := Default()
		for _, p := range c.decodeFile("f.yaml", []byte(body)) {
			if !strings.HasPrefix(p.Where, "f.yaml:") || p.Message == "" {
				t.Errorf("problem without place or words: %+v", p)
			}
		}
	})
}
