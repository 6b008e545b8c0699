package functions

import (
	"bufio"
	"math"
	"os"
	"testing"

	"petrel/engine/expression/value"
)

// testdata/yaml.jsonl holds what PyYAML 6 writes with default_flow_style=False.
func TestDumpYAML(t *testing.T) {
	f, err := os.Open("testdata/yaml.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows := 0
	for lines := bufio.NewScanner(f); lines.Scan(); rows++ {
		v, err := value.ParseJSON(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		field := func(name string) any { x, _ := v.(*value.Dict).GetString(name); return x }
		indent, _ := field("indent").(int64)
		got, err := DumpYAML(field("value"), int(indent), field("unicode").(bool))
		if err != nil || got != field("yaml") {
			t.Errorf("%s: got %q (%v), want %q", lines.Text(), got, err, field("yaml"))
		}
		back, err := value.ParseYAML([]byte(got))
		if err != nil || !value.Equal(back, field("value")) {
			t.Errorf("%s: reads back as %s (%v)", got, value.Repr(back), err)
		}
	}
	if rows < 30 {
		t.Errorf("only %d rows in testdata/yaml.jsonl", rows)
	}
}

func TestDumpYAMLOddities(t *testing.T) {
	mixed := value.NewDict(2)
	for _, k := range []any{int64(2), "a"} { // keys that cannot be compared keep their order
		if err := mixed.Set(k, "b"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{math.Inf(-1), "-.inf\n...\n"},
		{value.Tuple{int64(1)}, "- 1\n"},
		{mixed, "2: b\na: b\n"},
	} {
		if got, err := DumpYAML(c.v, 0, true); err != nil || got != c.want {
			t.Errorf("%s: got %q (%v), want %q", value.Repr(c.v), got, err, c.want)
		}
	}
	if _, err := DumpYAML(struct{}{}, 0, true); err == nil {
		t.Error("a value that YAML cannot hold must fail")
	}
	deep := any(int64(1))
	for range 300 {
		deep = value.NewList(deep)
	}
	if _, err := DumpYAML(deep, 0, true); err == nil {
		t.Error("deep nesting must fail")
	}
}
