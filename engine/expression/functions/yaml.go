package functions

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"petrel/engine/expression/value"
)

// maxYAML bounds the output in bytes, maxYAMLDepth the nesting.
const (
	maxYAML      = 16 << 20
	maxYAMLDepth = 200
	yamlWidth    = 80  // PyYAML folds lines beyond it
	maxSimpleKey = 122 // code points; PyYAML's 128 count the tag as well
)

func toYAML(_ *Call, a []any) (any, error) {
	indent, err := wholeNumber("to_yaml_string", "indent", a[1])
	if err != nil {
		return nil, err
	}
	return DumpYAML(a[0], indent, value.Truth(a[2]))
}

// DumpYAML writes a value as PyYAML's safe_dump(default_flow_style=False) does: block
// style, keys sorted, long lines folded. An indent outside 2..9 means 2. Shared parts
// are written out, not anchored.
func DumpYAML(v any, indent int, unicode bool) (string, error) {
	if indent < 2 || indent > 9 {
		indent = 2
	}
	w := &yamlWriter{step: indent, unicode: unicode, indent: -1, whitespace: true, indention: true}
	if err := w.node(v, place{root: true}); err != nil {
		return "", err
	}
	w.lineBreak()
	if w.open {
		w.out.WriteString("...\n")
	}
	return w.out.String(), nil
}

// yamlWriter keeps the state of PyYAML's emitter: where the line stands, and whether
// only indentation or a blank precedes.
type yamlWriter struct {
	out        strings.Builder
	step       int
	unicode    bool
	indent     int // -1 before the first collection
	depth      int
	column     int
	whitespace bool
	indention  bool
	open       bool // the document ends in a plain scalar and is closed by "..."
}

// place says where a node stands.
type place struct{ root, mapping, key bool }

func (w *yamlWriter) write(s string) {
	w.out.WriteString(s)
	w.column += utf8.RuneCountInString(s)
}

func (w *yamlWriter) lineBreak() {
	w.out.WriteByte('\n')
	w.column, w.whitespace, w.indention = 0, true, true
}

func (w *yamlWriter) newLine() {
	indent := max(w.indent, 0)
	if !w.indention || w.column > indent || w.column == indent && !w.whitespace {
		w.lineBreak()
	}
	if w.column < indent {
		w.whitespace = true
		w.write(strings.Repeat(" ", indent-w.column))
	}
}

func (w *yamlWriter) indicator(s string, needBlank, whitespace, indention bool) {
	if needBlank && !w.whitespace {
		s = " " + s
	}
	w.whitespace = whitespace
	w.indention = w.indention && indention
	w.write(s)
}

// deeper raises the indentation for a collection or a folded scalar and gives the way back.
func (w *yamlWriter) deeper(flow, indentless bool) func() {
	old := w.indent
	switch {
	case w.indent < 0 && flow:
		w.indent = w.step
	case w.indent < 0:
		w.indent = 0
	case !indentless:
		w.indent += w.step
	}
	return func() { w.indent = old }
}

func (w *yamlWriter) node(v any, at place) error {
	if w.depth++; w.depth > maxYAMLDepth {
		return fmt.Errorf("to_yaml_string(): nested deeper than %d", maxYAMLDepth)
	}
	defer func() { w.depth-- }()
	if w.out.Len() > maxYAML {
		return fmt.Errorf("to_yaml_string(): the text is larger than %d MiB", maxYAML>>20)
	}
	switch x := v.(type) {
	case *value.List:
		return w.sequence(x.Items, at)
	case value.Tuple:
		return w.sequence(x, at)
	case *value.Set:
		d := value.NewDict(x.Len())
		for m := range x.All() {
			if err := d.Set(m, nil); err != nil {
				return err
			}
		}
		w.indicator("!!set", true, false, false)
		return w.mapping(d)
	case *value.Dict:
		return w.mapping(x)
	}
	s, plain, err := yamlText(v)
	if err != nil {
		return err
	}
	w.scalar(s, plain, at)
	return nil
}

func (w *yamlWriter) sequence(items []any, at place) error {
	if len(items) == 0 {
		w.indicator("[", true, true, false)
		w.indicator("]", false, false, false)
		return nil
	}
	defer w.deeper(false, at.mapping && !w.indention)()
	for _, e := range items {
		w.newLine()
		w.indicator("-", true, false, true)
		if err := w.node(e, place{}); err != nil {
			return err
		}
	}
	return nil
}

func (w *yamlWriter) mapping(d *value.Dict) error {
	if d.Len() == 0 {
		w.indicator("{", true, true, false)
		w.indicator("}", false, false, false)
		return nil
	}
	defer w.deeper(false, false)()
	for _, k := range sortedKeys(d) {
		v, _ := d.Get(k)
		w.newLine()
		s, plain, err := yamlText(k)
		simple := err == nil && s != "" && utf8.RuneCountInString(s) <= maxSimpleKey && !strings.ContainsAny(s, "\n\u0085\u2028\u2029")
		if simple {
			w.scalar(s, plain, place{mapping: true, key: true})
			w.indicator(":", false, false, false)
		} else {
			w.indicator("?", true, false, true)
			if err := w.node(k, place{mapping: true}); err != nil {
				return err
			}
			w.newLine()
			w.indicator(":", true, false, true)
		}
		if err := w.node(v, place{mapping: true}); err != nil {
			return err
		}
	}
	return nil
}

// sortedKeys sorts the keys; keys that cannot be compared keep their order, as in PyYAML.
func sortedKeys(d *value.Dict) []any {
	keys := d.Keys()
	sorted := slices.Clone(keys)
	failed := false
	slices.SortStableFunc(sorted, func(a, b any) int {
		c, err := value.Compare(a, b)
		failed = failed || err != nil
		return c
	})
	if failed {
		return keys
	}
	return sorted
}

// yamlText gives the text of a scalar and whether it must be written plain (numbers and so on).
func yamlText(v any) (s string, plain bool, err error) {
	switch x := v.(type) {
	case nil:
		return "null", true, nil
	case bool:
		return strings.ToLower(value.Str(x)), true, nil
	case int64, *big.Int:
		return value.Str(x), true, nil
	case float64:
		switch {
		case math.IsNaN(x):
			return ".nan", true, nil
		case math.IsInf(x, 1):
			return ".inf", true, nil
		case math.IsInf(x, -1):
			return "-.inf", true, nil
		}
		s := value.FloatRepr(x)
		if !strings.Contains(s, ".") {
			s = strings.Replace(s, "e", ".0e", 1)
		}
		return s, true, nil
	case string:
		return x, false, nil
	case time.Time, value.Date:
		return value.Str(x), true, nil
	case value.Plainer:
		p, err := x.Plain()
		if err != nil {
			return "", false, err
		}
		if s, ok := p.(string); ok {
			return s, false, nil
		}
	}
	return "", false, fmt.Errorf("to_yaml_string(): cannot represent %s", value.TypeName(v))
}

// scalar writes a text plain where YAML 1.1 reads the same text back, else quoted.
func (w *yamlWriter) scalar(s string, plain bool, at place) {
	defer w.deeper(true, false)()
	a := analyseScalar(s, w.unicode)
	split := !at.key
	switch {
	case plain || a.plain && readsAsText(s):
		w.plain(s, split)
		w.open = at.root
	case a.single && !(at.key && a.multiline):
		w.single(s, split)
	default:
		w.double(s, split)
	}
}

// readsAsText tells whether the plain text s would be read back as text.
func readsAsText(s string) bool {
	if s == "=" || s == "<<" {
		return false
	}
	if !strings.ContainsRune("yYnNtTfFoO~-+.0123456789", rune(s[0])) {
		return true
	}
	v, err := value.ParseYAML([]byte(s))
	_, isText := v.(string)
	return err == nil && isText
}
