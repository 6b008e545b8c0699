package yaql

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// row is one case: what upstream gives for an expression.
type row struct {
	Expr          string          `json:"expr"`
	Data          json.RawMessage `json:"data"`
	Vars          json.RawMessage `json:"vars"`
	Expect        json.RawMessage `json:"expect"`
	Error         bool            `json:"error"`
	ErrorMessage  string          `json:"error_message"`
	Mode          string          `json:"mode"`
	Source        string          `json:"source"`
	Unordered     bool            `json:"unordered"`
	NonstringKeys bool            `json:"nonstring_keys"`
}

// id names a case: its text, or the checksum of the text where that is upstream's.
func (r row) id() string {
	if r.Source == "own" {
		return r.Expr
	}
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(r.Expr)))
}

// onPurpose lists the cases that are answered otherwise than upstream, and why.
var onPurpose = map[string]string{
	"$.c.items()": itemsOfItems,
	"8ab3c6a8":    itemsOfItems,
	"4b5464b5":    setOfUnhashable,
	"a6d03951":    setOfUnhashable,
	"44ea5366":    setOfUnhashable,
	"a12238f7":    "characters() has no order upstream, where it comes from a set; here it is that of the alphabet",
}

const (
	itemsOfItems    = "upstream cannot turn a view of pairs into a result; here it is a list, as everywhere else"
	setOfUnhashable = "upstream cannot turn a set of lists or maps into a result, because Python's lists are unhashable; here sets become lists"
)

// TestConformance runs the project's own cases, which are in testdata.
func TestConformance(t *testing.T) {
	f, err := os.Open("testdata/conformance.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []row
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	runRows(t, rows, true)
}

// TestSharedConformance runs all cases of the conformance folder, where it is beside the checkout.
func TestSharedConformance(t *testing.T) {
	path := findShared("yaql.json")
	if path == "" {
		t.Log("shared/conformance/yaql.json is not beside the checkout: only the project's own cases ran")
		return
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	runRows(t, rows, false)
}

// findShared looks for a file of shared/conformance upward from here.
func findShared(name string) string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "shared", "conformance", name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

func runRows(t *testing.T, rows []row, ownOnly bool) {
	passed, deviating, templates := 0, 0, 0
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.id()] = true
		if r.Mode == "template" { // <% %> texts are tested with the Renderer
			templates++
			continue
		}
		problem := check(t, r)
		reason := onPurpose[r.id()]
		switch {
		case problem == "" && reason != "":
			t.Errorf("%s: passes, but is listed as deviating: %s", r.id(), reason)
		case problem == "":
			passed++
		case reason != "":
			deviating++
		default:
			t.Errorf("%s (data %.80s): %s", r.id(), r.Data, problem)
		}
	}
	for id := range onPurpose {
		if _, err := strconv.ParseUint(id, 16, 32); !seen[id] && (!ownOnly || err != nil) {
			t.Errorf("%s is listed as deviating, but there is no such case", id)
		}
	}
	t.Logf("%d of %d cases pass, %d deviate on purpose, %d are templates", passed, len(rows), deviating, templates)
	if len(rows) == 0 || float64(passed) < 0.98*float64(len(rows)-templates) {
		t.Errorf("fewer than 98%% of the cases pass")
	}
}

// check gives what is wrong with a row, "" when nothing is.
func check(t *testing.T, r row) string {
	t.Helper()
	got, err := evaluate(t, r)
	if r.Error {
		if err == nil {
			return "gives " + value.Repr(got) + ", upstream fails: " + r.ErrorMessage
		}
		return ""
	}
	if err != nil {
		return "fails: " + err.Error()
	}
	want, err := value.ParseJSON(r.Expect)
	if err != nil {
		t.Fatal(err)
	}
	if r.NonstringKeys {
		got = textKeys(got)
	}
	if r.Unordered {
		got, want = sorted(got), sorted(want)
	}
	if !sameTyped(got, want) {
		return "gives " + value.Repr(got) + ", upstream " + value.Repr(want)
	}
	return ""
}

func evaluate(t *testing.T, r row) (any, error) {
	t.Helper()
	env := Env{}
	var err error
	if len(r.Data) > 0 {
		if env.Data, err = value.ParseJSON(r.Data); err != nil {
			t.Fatal(err)
		}
	}
	vars := value.NewDict(0)
	if len(r.Vars) > 0 {
		v, err := value.ParseJSON(r.Vars)
		if err != nil {
			t.Fatal(err)
		}
		vars = v.(*value.Dict)
	}
	env.Workflow = functions.Variables{Context: vars}
	p, err := Compile(r.Expr)
	if err != nil {
		return nil, err
	}
	return p.Eval(context.Background(), env)
}

// textKeys shows map keys as the cases do.
func textKeys(v any) any {
	d, ok := v.(*value.Dict)
	if !ok {
		return v
	}
	out := value.NewDict(d.Len())
	for k, e := range d.All() {
		key, ok := k.(string)
		if !ok {
			b, _ := value.AppendJSON(nil, k)
			key = string(b)
		}
		out.SetString(key, textKeys(e))
	}
	return out
}

func sorted(v any) any {
	l, ok := v.(*value.List)
	if !ok {
		return v
	}
	items := slices.Clone(l.Items)
	slices.SortFunc(items, func(a, b any) int { return strings.Compare(value.Repr(a), value.Repr(b)) })
	return value.NewList(items...)
}

// sameTyped is equality that tells 1, 1.0 and true apart.
func sameTyped(a, b any) bool {
	switch x := a.(type) {
	case *value.List:
		y, ok := b.(*value.List)
		if !ok || len(x.Items) != len(y.Items) {
			return false
		}
		for i := range x.Items {
			if !sameTyped(x.Items[i], y.Items[i]) {
				return false
			}
		}
		return true
	case *value.Dict:
		y, ok := b.(*value.Dict)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for k, v := range x.All() {
			w, ok := y.Get(k)
			if !ok || !sameTyped(v, w) {
				return false
			}
		}
		return true
	}
	return value.TypeName(a) == value.TypeName(b) && value.Equal(a, b)
}
