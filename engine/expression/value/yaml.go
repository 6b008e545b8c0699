package value

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// ParseYAML reads one YAML document as PyYAML's safe loader does: YAML 1.1
// implicit types (yes, off, 010, 1:30, ~), merge keys, last duplicate key wins.
// Empty text is nil. A second document is an error.
func ParseYAML(b []byte) (any, error) {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if err := dec.Decode(&more); err == nil {
		return nil, fmt.Errorf("yaml: line %d: expected a single document", more.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return FromYAML(&doc)
}

// FromYAML turns one node into a value, by the same rules. Errors name the line.
func FromYAML(n *yaml.Node) (any, error) {
	l := yamlLoader{done: map[*yaml.Node]any{}, open: map[*yaml.Node]bool{}}
	return l.load(n, 0)
}

type yamlLoader struct {
	done map[*yaml.Node]any
	open map[*yaml.Node]bool
}

func yamlError(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("yaml: line %d: %s", n.Line, fmt.Sprintf(format, args...))
}

func (l *yamlLoader) load(n *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, yamlError(n, "nested deeper than %d levels", maxDepth)
	}
	switch n.Kind {
	case 0:
		return nil, nil
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return nil, nil
		}
		return l.load(n.Content[0], depth)
	case yaml.AliasNode:
		return l.load(n.Alias, depth)
	case yaml.ScalarNode:
		return yamlScalar(n)
	}
	if v, ok := l.done[n]; ok {
		return v, nil
	}
	if l.open[n] {
		return nil, yamlError(n, "an alias refers to the value that contains it")
	}
	l.open[n] = true
	defer delete(l.open, n)
	v, err := l.collection(n, depth)
	if err == nil {
		l.done[n] = v
	}
	return v, err
}

func (l *yamlLoader) collection(n *yaml.Node, depth int) (any, error) {
	tag := n.ShortTag()
	if n.Kind == yaml.SequenceNode {
		out := &List{make([]any, 0, len(n.Content))}
		for _, c := range n.Content {
			v, err := l.load(c, depth+1)
			if err != nil {
				return nil, err
			}
			if d, ok := v.(*Dict); ok && (tag == "!!omap" || tag == "!!pairs") && d.Len() == 1 {
				k, e := d.At(0)
				v = Tuple{k, e}
			}
			out.Items = append(out.Items, v)
		}
		if tag != "!!seq" && tag != "!!omap" && tag != "!!pairs" {
			return nil, yamlError(n, "unknown tag %s for a list", n.Tag)
		}
		return out, nil
	}
	if tag != "!!map" && tag != "!!set" {
		return nil, yamlError(n, "unknown tag %s for a map", n.Tag)
	}
	d := NewDict(len(n.Content) / 2)
	if err := l.mapping(n, d, depth); err != nil {
		return nil, err
	}
	if tag == "!!set" {
		return NewSet(d.Keys()...)
	}
	return d, nil
}

// mapping fills d: merged maps first, then the node's own pairs, as PyYAML orders them.
func (l *yamlLoader) mapping(n *yaml.Node, d *Dict, depth int) error {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if isMerge(n.Content[i]) {
			if err := l.merge(n.Content[i+1], d, depth); err != nil {
				return err
			}
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		kn := n.Content[i]
		if isMerge(kn) {
			continue
		}
		k, err := l.load(kn, depth+1)
		if err != nil {
			return err
		}
		v, err := l.load(n.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		if err := d.Set(k, v); err != nil {
			return yamlError(kn, "a %s cannot be a key", TypeName(k))
		}
	}
	return nil
}

func isMerge(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.TaggedStyle) == 0
}

func (l *yamlLoader) merge(n *yaml.Node, d *Dict, depth int) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if depth > maxDepth || l.open[n] && n.Kind == yaml.MappingNode {
		return yamlError(n, "a merge key refers to the value that contains it")
	}
	switch n.Kind {
	case yaml.MappingNode:
		v, err := l.load(n, depth+1)
		if err != nil {
			return err
		}
		if m, ok := v.(*Dict); ok {
			d.Update(m)
		}
		return nil
	case yaml.SequenceNode:
		for i := len(n.Content) - 1; i >= 0; i-- { // earlier maps win
			c := n.Content[i]
			if c.Kind == yaml.AliasNode {
				c = c.Alias
			}
			if c.Kind != yaml.MappingNode {
				return yamlError(c, "expected a map to merge")
			}
			if err := l.merge(c, d, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return yamlError(n, "expected a map or a list of maps to merge")
}

// The implicit types of YAML 1.1 as PyYAML writes them.
var (
	yamlBool = map[string]bool{
		"yes": true, "Yes": true, "YES": true, "no": false, "No": false, "NO": false,
		"true": true, "True": true, "TRUE": true, "false": false, "False": false, "FALSE": false,
		"on": true, "On": true, "ON": true, "off": false, "Off": false, "OFF": false,
	}
	yamlInt = regexp.MustCompile(`^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`)

	yamlFloat = regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?` +
		`|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`)

	yamlTime = regexp.MustCompile(`^([0-9]{4})-([0-9][0-9]?)-([0-9][0-9]?)(?:(?:[Tt]|[ \t]+)([0-9][0-9]?):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?(?:[ \t]*(Z|([-+])([0-9][0-9]?)(?::?([0-9]{2}))?))?)?$`)

	yamlDay = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

func yamlScalar(n *yaml.Node) (any, error) {
	s := n.Value
	if n.Style&yaml.TaggedStyle != 0 {
		return yamlTagged(n)
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return s, nil
	}
	switch s {
	case "", "~", "null", "Null", "NULL":
		return nil, nil
	}
	if b, ok := yamlBool[s]; ok {
		return b, nil
	}
	c := s[0]
	if !isDigit(c) && c != '-' && c != '+' && c != '.' {
		return s, nil
	}
	switch {
	case yamlInt.MatchString(s):
		return yamlInteger(n, s)
	case yamlFloat.MatchString(s):
		return yamlFloatValue(n, s)
	case yamlDay.MatchString(s) || (strings.Contains(s, ":") && yamlTime.MatchString(s)):
		return yamlTimestamp(n, s)
	}
	return s, nil
}

func yamlTagged(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!str":
		return n.Value, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		if b, ok := yamlBool[strings.ToLower(n.Value)]; ok {
			return b, nil
		}
		return nil, yamlError(n, "%q is not a boolean", n.Value)
	case "!!int":
		return yamlInteger(n, n.Value)
	case "!!float":
		return yamlFloatValue(n, n.Value)
	case "!!timestamp":
		return yamlTimestamp(n, n.Value)
	case "!!binary":
		b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(n.Value), ""))
		if err != nil {
			return nil, yamlError(n, "invalid base64: %v", err)
		}
		return Bytes(b), nil
	}
	return nil, yamlError(n, "unknown tag %s", n.Tag)
}

func yamlInteger(n *yaml.Node, text string) (any, error) {
	s := strings.ReplaceAll(text, "_", "")
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimLeft(s, "+-")
	var b *big.Int
	ok := false
	switch {
	case strings.HasPrefix(s, "0b"):
		b, ok = new(big.Int).SetString(s[2:], 2)
	case strings.HasPrefix(s, "0x"):
		b, ok = new(big.Int).SetString(s[2:], 16)
	case strings.Contains(s, ":"):
		b, ok = new(big.Int), true
		for _, part := range strings.Split(s, ":") {
			d, good := new(big.Int).SetString(part, 10)
			if !good {
				return nil, yamlError(n, "%q is not an integer", text)
			}
			b.Add(b.Mul(b, big.NewInt(60)), d)
		}
	case len(s) > 1 && s[0] == '0':
		b, ok = new(big.Int).SetString(s, 8)
	case len(s) <= maxIntDigits:
		b, ok = new(big.Int).SetString(s, 10)
	}
	if !ok {
		return nil, yamlError(n, "%q is not an integer", text)
	}
	if neg {
		b.Neg(b)
	}
	return NormInt(b), nil
}

func yamlFloatValue(n *yaml.Node, text string) (any, error) {
	s := strings.ToLower(strings.ReplaceAll(text, "_", ""))
	sign := 1.0
	if strings.HasPrefix(s, "-") {
		sign = -1
	}
	s = strings.TrimLeft(s, "+-")
	switch {
	case s == ".inf":
		return math.Inf(int(sign)), nil
	case s == ".nan":
		return math.NaN(), nil
	case strings.Contains(s, ":"):
		total := 0.0
		for _, part := range strings.Split(s, ":") {
			f, err := strconv.ParseFloat(part, 64)
			if err != nil {
				return nil, yamlError(n, "%q is not a number", text)
			}
			total = total*60 + f
		}
		return sign * total, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, yamlError(n, "%q is not a number", text)
	}
	return sign * f, nil
}

func yamlTimestamp(n *yaml.Node, text string) (any, error) {
	m := yamlTime.FindStringSubmatch(text)
	if m == nil {
		return nil, yamlError(n, "%q is not a timestamp", text)
	}
	num := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	year, month, day := num(1), num(2), num(3)
	if d := time.Date(year, time.Month(month), day, 0, 0, 0, 0, Naive); d.Day() != day || int(d.Month()) != month || year == 0 {
		return nil, yamlError(n, "%q is not a date of the calendar", text)
	} else if m[4] == "" {
		return Date{d}, nil
	}
	if num(4) > 23 || num(5) > 59 || num(6) > 59 {
		return nil, yamlError(n, "%q is not a time of day", text)
	}
	us, _ := strconv.Atoi((m[7] + "000000")[:6])
	loc := Naive
	switch {
	case m[9] != "":
		off := num(10)*3600 + num(11)*60
		if m[9] == "-" {
			off = -off
		}
		loc = time.FixedZone("", off)
		if off == 0 {
			loc = time.UTC
		}
	case m[8] == "Z":
		loc = time.UTC
	}
	return time.Date(year, time.Month(month), day, num(4), num(5), num(6), us*1000, loc), nil
}
