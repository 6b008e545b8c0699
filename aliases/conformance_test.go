package aliases

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// conformanceRow is one case made with StackStorm's own parser. Values are compared as JSON.
type conformanceRow struct {
	Format        string          `json:"format"`
	Message       string          `json:"message"`
	MatchMultiple bool            `json:"match_multiple"`
	Expect        json.RawMessage `json:"expect"`
	Error         string          `json:"error"` // the format is refused
	Origin        string          `json:"origin"`
}

// There is no list of rows that differ on purpose: every row passes.
func TestConformance(t *testing.T) {
	for _, row := range readLines(t, "testdata/aliases.jsonl") {
		checkRow(t, row)
	}
}

// TestConformanceShared runs the rows that carry texts of StackStorm's own tests; they are kept outside of the repository.
func TestConformanceShared(t *testing.T) {
	data, err := os.ReadFile(sharedFile("conformance/aliases.json"))
	if err != nil {
		t.Logf("not run, the shared conformance folder is not beside this checkout: %v", err)
		return
	}
	var rows []conformanceRow
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		checkRow(t, row)
	}
	t.Logf("%d rows", len(rows))
}

func checkRow(t *testing.T, row conformanceRow) {
	t.Helper()
	f, err := Compile(row.Format, Options{})
	if row.Error != "" {
		if err == nil {
			t.Errorf("Compile(%q) is accepted, want it refused: %s", row.Format, row.Error)
		}
		return
	}
	if err != nil {
		t.Errorf("Compile(%q): %v", row.Format, err)
		return
	}
	var got any
	if row.MatchMultiple {
		all, matchErr := f.MatchAll(row.Message)
		err = matchErr
		if got = all; all == nil {
			got = []Params{}
		}
	} else {
		params, ok, matchErr := f.Match(row.Message)
		err = matchErr
		if ok {
			got = params
		}
	}
	if !sameJSON(t, got, row.Expect) {
		text, _ := json.Marshal(got)
		t.Errorf("format %q, message %q: got %s (%v), want %s", row.Format, row.Message, text, err, row.Expect)
	}
}

func sameJSON(t *testing.T, got any, want json.RawMessage) bool {
	t.Helper()
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(a, b)
}

func readLines(t *testing.T, name string) []conformanceRow {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var rows []conformanceRow
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var row conformanceRow
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return rows
}

// sharedFile looks for shared/name beside the module, in any folder above it.
func sharedFile(name string) string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		path := filepath.Join(dir, "shared", name)
		if _, err := os.Stat(path); err == nil || dir == filepath.Dir(dir) {
			return path
		}
		dir = filepath.Dir(dir)
	}
}
