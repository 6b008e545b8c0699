package aliases

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// alias makes an enabled alias of pack p with text formats.
func alias(name string, formats ...string) Definition {
	d := Definition{Name: name, Pack: "p", Enabled: true, ActionRef: "core.noop", Description: "about " + name}
	for _, f := range formats {
		d.Formats = append(d.Formats, FormatSpec{Display: f, Representation: []string{f}})
	}
	return d
}

func mustTable(t testing.TB, defs ...Definition) *Table {
	t.Helper()
	table, problems := NewTable(defs)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return table
}

func refs(matches []Match) string {
	var list []string
	for _, m := range matches {
		list = append(list, m.Alias.Name)
	}
	return strings.Join(list, " ")
}

func TestTableRanking(t *testing.T) {
	folded := alias("folded", "hello {{who}}")
	folded.CaseInsensitive = true
	table := mustTable(t,
		alias("run", "run {{cmd}}"),
		alias("run_on", "run {{cmd}} on {{hosts}}"),
		alias("run_maybe", "run {{cmd}}( on {{hosts=localhost}})?"),
		alias("deploy", "deploy {{app}} {{env=dev}}"),
		alias("deploy_to", "deploy {{app}} to {{env}}"),
		alias("deploy_web", "deploy web"),
		alias("status", "status"),
		alias("status_of", "status {{what=all}}"),
		alias("any", "say .*"),
		alias("text", "say {{text}}"),
		alias("exact", "hello {{who}}"),
		folded,
	)
	tests := []struct{ message, best, want string }{
		{"run date on web1", "run_on", "run_on run_maybe run"},
		{"run date", "run", "run run_maybe"},
		{"deploy shop to prod", "deploy_to", "deploy_to deploy"},
		{"deploy web", "deploy_web", "deploy_web deploy"},
		{"deploy web qa", "deploy", "deploy"},
		{"status", "status", "status status_of"},
		{"status web", "status_of", "status_of"},
		{"hello bob", "exact", "exact folded"},
		{"HELLO bob", "folded", "folded"},
		{"nothing of the kind", "", ""},
		{" run   date", "run", "run run_maybe"},
	}
	for _, tt := range tests {
		matches, err := table.Match(tt.message)
		if err != nil || refs(matches) != tt.want {
			t.Errorf("Match(%q) = %s, %v, want %s", tt.message, refs(matches), err, tt.want)
		}
		if tt.best == "" {
			continue
		}
		if best, err := table.Resolve(tt.message); err != nil || best.Alias.Name != tt.best {
			t.Errorf("Resolve(%q) = %v, %v, want %s", tt.message, best.Alias, err, tt.best)
		}
	}
}

func TestTableAmbiguous(t *testing.T) {
	table := mustTable(t, alias("b", "pack install {{ x }}"), alias("a", "pack install {{ packs }}"), alias("c", "pack {{x}} {{y}}"))
	_, err := table.Resolve("pack install aws")
	var ambiguous *AmbiguousError
	if !errors.As(err, &ambiguous) {
		t.Fatalf("got %v, want an *AmbiguousError", err)
	}
	if got := refs(ambiguous.Candidates); got != "a b" {
		t.Errorf("candidates %s, want a b", got)
	}
	if !strings.Contains(err.Error(), "matched more than 1 pattern") || !strings.Contains(err.Error(), "p.a (pack install {{ packs }})") {
		t.Errorf("the message does not name the candidates: %v", err)
	}
}

func TestTableSeveralFormatsOfOneAlias(t *testing.T) {
	table := mustTable(t, alias("a", "list {{kind}}", "list {{kind=pods}}", "list pods"))
	match, err := table.Resolve("list pods")
	if err != nil || match.Format != "list pods" {
		t.Errorf("got %q, %v, want the format without placeholders", match.Format, err)
	}
}

func TestTableMatchMultiple(t *testing.T) {
	fixes := Definition{Name: "fixes", Pack: "p", Enabled: true, Formats: []FormatSpec{{Display: "fixes KEY", MatchMultiple: true,
		Representation: []string{`(?:\b|^)fixes (?P<k>[A-Z]+-\d+)(?:\b|$)`}}}}
	table := mustTable(t, fixes, alias("say", "say {{text}}"))
	matches, err := table.Match("X-4 fixes A-1 which fixes B-2")
	if err != nil || len(matches) != 1 || len(matches[0].All) != 2 || *matches[0].All[1]["k"] != "B-2" {
		t.Errorf("got %v, %v", matches, err)
	}
	if matches, err = table.Match("say this fixes A-1"); err != nil || refs(matches) != "say" {
		t.Errorf("got %s, %v, want only the ordinary alias", refs(matches), err)
	}
}

func TestTableLeavesBadAliasesOut(t *testing.T) {
	disabled := alias("off", "run {{cmd}}")
	disabled.Enabled = false
	table, problems := NewTable([]Definition{alias("bad", "go {{dry-run}}"), alias("half", "went", "went {{dry-run}}"), alias("good", "go"), disabled, alias("good", "go again"),
		{Name: "help", Pack: "p", Enabled: true, Formats: []FormatSpec{{Display: "only help"}}}})
	var kinds []string
	for _, p := range problems {
		kinds = append(kinds, string(p.Kind)+" "+p.Ref)
	}
	if want := []string{"uncompilable p.bad", "duplicate p.good", "uncompilable p.half"}; !slices.Equal(kinds, want) {
		t.Errorf("problems %v, want %v", problems, want)
	}
	if table.Len() != 4 {
		t.Errorf("%d aliases, want 4", table.Len())
	}
	for msg, want := range map[string]string{"go": "good", "went": "half", "went x": "", "run x": "", "a=1": "", "go again": ""} {
		if matches, err := table.Match(msg); err != nil || refs(matches) != want {
			t.Errorf("Match(%q) = %s, %v, want %q", msg, refs(matches), err, want)
		}
	}
	if d, ok := table.Get("p.off"); !ok || d.Enabled {
		t.Errorf("Get(p.off) = %v, %v", d, ok)
	}
	if _, ok := table.Get("p.bad"); ok {
		t.Error("the alias that was refused is in the table")
	}
}

// Every kind of beginning must be found through the index.
func TestIndexFindsWhatMatches(t *testing.T) {
	tests := []struct {
		format, message string
		indexed         bool
	}{
		{"deploy", "deploy", true},
		{"deploy", " deploy  ", true},
		{"deploy", "deploy\t", true},
		{"deploy {{a}}", "deploy x", true},
		{"deploy web {{a=1}}", "deploy web", true},
		{"deploy{{a=1}}", "deployment", false},
		{"  deploy {{a}}", " deploy x", true},
		{"a  b {{c}}", "a  b x", true},
		{"(run|execute) {{cmd}}", "execute date", true},
		{"restart( service)? {{svc}}", "restart service web", true},
		{"^\\s*ticket (?P<k>\\d+)", "ticket 7", true},
		{"(?:\\b|^)fixes (?P<k>\\d+)\\s*$", "this fixes 7", false},
		{"deploy\\s+now", "deploy \t now", true},
		{"deploy\\s*now", "deploynow", true},
		{"wow!? {{a}}", "wow x", true},
		{"(?i)^\\s*restart", "RESTART", false},
		{"(?i:restart) {{a}}", "RESTART x", false},
		{"a|b", "xx b", false},
		{"é{{a}}", "éx", false},
		{"Grüße {{a}}", "Grüße x", true},
		{"x(?#remark)y {{a}}", "xy 1", true},
	}
	for _, tt := range tests {
		table := mustTable(t, alias("a", tt.format))
		matches, err := table.Match(tt.message)
		if err != nil || len(matches) != 1 {
			t.Errorf("%q is not found by %q: %v", tt.format, tt.message, err)
		}
		if indexed := len(table.ordinary.loose.entries) == 0; indexed != tt.indexed {
			t.Errorf("%q: indexed %v, want %v", tt.format, indexed, tt.indexed)
		}
	}
}

// A large bucket is divided by further words; every pattern must still be found.
func TestIndexOfManyAlikes(t *testing.T) {
	formats := map[string]string{ // format -> message
		"go {{a}} to one": "go x to one", "go {{a}} two {{b}}": "go x two y", "go {{a}}three": "go xthree", "go {{a}} four(th)?": "go x fourth",
		"go {{a}}\\sfive": "go x\tfive", "go {{a}} (?:six|seven)": "go x seven", "go {{a=1}}": "go", "go {{a}} eight\\s*$": "go x eight ",
		"go {{a}} Nine": "go x Nine", "go {{a}} ten!": "go x ten!", "go {{a}} eleven {{b=2}}": "go x eleven",
		"(?:\\b|^)twelve (?P<n>\\d+) times(?:\\b|$)": "so twelve 5 times.", "(?:\\b|^)x thirteen": "10-x thirteen", "{{who}} goes fourteen": "bob goes fourteen",
	}
	var defs []Definition
	for format := range formats {
		defs = append(defs, alias("a"+fmt.Sprint(len(defs)), format))
	}
	for i := range 40 {
		defs = append(defs, alias(fmt.Sprint("filler", i), fmt.Sprintf("go {{a}} filler%d", i)), alias(fmt.Sprint("loose", i), fmt.Sprintf("{{a}} loose%d", i)))
	}
	table := mustTable(t, defs...)
	for format, message := range formats {
		matches, err := table.Match(message)
		if err != nil || !slices.ContainsFunc(matches, func(m Match) bool { return m.Format == format }) {
			t.Errorf("%q is not found by %q: %v, %v", format, message, refs(matches), err)
		}
	}
}

func TestHelp(t *testing.T) {
	silent := Definition{Name: "silent", Pack: "p", Enabled: true, Formats: []FormatSpec{{Representation: []string{"hush"}}}}
	shown := Definition{Name: "shown", Pack: "a", Enabled: true, Description: "about shown",
		Formats: []FormatSpec{{Display: "show me", Representation: []string{"show( me)?"}}}}
	disabled := alias("off", "run {{cmd}}")
	disabled.Enabled = false
	table := mustTable(t, alias("two", "deploy {{app}}", "release {{app}}"), silent, shown, disabled)
	for filter, want := range map[string]string{
		"":        "show me - about shown|deploy {{app}} - about two|release {{app}} - about two",
		"DEPLOY":  "deploy {{app}} - about two",
		"a.shown": "show me - about shown",
		"{{app":   "deploy {{app}} - about two|release {{app}} - about two",
		"(":       "",
		"nothing": "",
	} {
		var lines []string
		for _, l := range table.Help(filter) {
			lines = append(lines, l.String())
		}
		if got := strings.Join(lines, "|"); got != want {
			t.Errorf("Help(%q) = %s, want %s", filter, got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	table := mustTable(t,
		alias("run", "run {{cmd}} on {{hosts}}"),
		alias("deploy", "deploy {{app}} {{env=dev}}"),
		alias("pods", "list pods"),
		alias("nodes", "(list|show) nodes {{limit=10}}"),
		alias("please", "{{what}} please"),
	)
	tests := []struct {
		message, best string
		runnable      bool
	}{
		{"deplyo shop", "deploy shop", true},
		{"Deploy shop", "deploy shop", true},
		{"Run date on web1", "run date on web1", true},
		{"rnu date no web1", "run date on web1", true},
		{`rum "date -u" on web1 timeout=5`, `run "date -u" on web1 timeout=5`, true},
		{"run date web1", "run date on web1", true},
		{"lits pods", "list pods", true},
		{"shwo nodes 4", "show nodes 4", true},
		{"deploy", "deploy {{app}} {{env=dev}}", false},
		{"make it so plaese", "make it so please", true},
		{"quantum leap", "", false},
		{"", "", false},
		{"zzz=1", "", false},
	}
	for _, tt := range tests {
		list := table.Suggest(tt.message, 3)
		if tt.best == "" {
			if len(list) != 0 {
				t.Errorf("Suggest(%q) = %v, want nothing", tt.message, list)
			}
			continue
		}
		if len(list) == 0 || list[0].String() != tt.best || list[0].Runnable != tt.runnable {
			t.Errorf("Suggest(%q) = %v, want %s", tt.message, list, tt.best)
		}
	}
	_, err := table.Resolve("deplyo shop")
	var none *NoMatchError
	if !errors.As(err, &none) || !strings.Contains(err.Error(), "did you mean: deploy shop") {
		t.Errorf("got %v", err)
	}
}

func TestLintVisibility(t *testing.T) {
	on, off := Ack{Enabled: true}, Ack{}
	loud, quiet := Result{Enabled: true}, Result{}
	thread := json.RawMessage(`{"slack":{"thread_response":true}}`)
	for _, tt := range []struct {
		name string
		d    Definition
		want string
	}{
		{"fine", Definition{Visibility: Ephemeral, Ack: on, Result: loud}, ""},
		{"nothing to see", Definition{Visibility: Direct, Ack: off, Result: quiet}, "nothing to see"},
		{"nothing wanted", Definition{Ack: off, Result: quiet}, ""},
		{"both", Definition{Visibility: Public, Ack: on, Result: Result{Enabled: true, Extra: thread}}, "visibility decides"},
		{"a thread twice", Definition{Visibility: Thread, Ack: Ack{Enabled: true, Extra: thread}, Result: loud}, ""},
	} {
		tt.d.Name, tt.d.Pack, tt.d.Ref, tt.d.Enabled = "v", "p", "p.v", true
		tt.d.Formats = []FormatSpec{{Display: "see it", Representation: []string{"see it"}}}
		problems := mustTable(t, tt.d).Lint()
		if tt.want == "" && len(problems) > 0 || tt.want != "" && (len(problems) != 1 || !strings.Contains(problems[0].Text, tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, problems, tt.want)
		}
	}
}

func TestLint(t *testing.T) {
	table := mustTable(t,
		alias("amb1", "pack install {{ packs }}"), alias("amb2", "pack install {{ x }}"),
		alias("wide", "stop {{what}}"), alias("narrow", "stop {{what}} now"),
		alias("never", "go {{x}} {{y=1}}"), alias("always", "go {{x}}", "go {{x}} {{y}}"),
		alias("equal", "create vm cpu={{cpu}}"),
		alias("odd", "write {{ two words }}"),
		alias("ask", "what is up?"),
		Definition{Name: "help", Pack: "p", Enabled: true, Formats: []FormatSpec{{Display: "only help"}}},
		Definition{Name: "mute", Pack: "p", Enabled: true, Formats: []FormatSpec{{Representation: []string{"hush"}}}},
		Definition{Name: "multi", Pack: "p", Enabled: true, Formats: []FormatSpec{{Display: "x", Representation: []string{"see {{n}}"}, MatchMultiple: true}}},
		alias("fine", "all good {{x=1}}"),
	)
	var got []string
	for _, p := range table.Lint() {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", p.Ref, p.Kind, p.Other)))
		if p.Text == "" {
			t.Errorf("%v has no text", p)
		}
	}
	want := []string{"p.amb1 ambiguous p.amb2", "p.amb2 ambiguous p.amb1", "p.ask suspicious", "p.equal suspicious", "p.help suspicious",
		"p.multi suspicious", "p.mute suspicious", "p.never shadowed p.always", "p.odd suspicious"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
