package params

import (
	"sort"
	"strings"

	"petrel/engine/expression/value"
)

// Split parts the action parameters of a script: those with a position become
// texts in order, a missing or null one an empty text in its place; all others
// stay named.
func (s *Set) Split(action *value.Dict) (positional []string, named *value.Dict) {
	names := s.Positional()
	placed := make(map[string]bool, len(names))
	for _, name := range names {
		placed[name] = true
		v, _ := action.GetString(name)
		kind, _ := s.merged[name].GetString("type")
		positional = append(positional, positionalText(v, kind))
	}
	named = value.NewDict(action.Len())
	for k, v := range action.All() {
		if name, ok := k.(string); ok && !placed[name] {
			named.SetString(name, v)
		}
	}
	return positional, named
}

// Positional lists the action parameters that have a position, in its order.
func (s *Set) Positional() []string {
	var out []string
	at := map[string]float64{}
	for _, name := range s.action.names {
		if p, ok := s.merged[name].GetString("position"); ok {
			at[name], _ = value.Float(p)
			out = append(out, name)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return at[out[i]] < at[out[j]] })
	return out
}

// positionalText spells a positional argument by the declared type.
func positionalText(v, kind any) string {
	switch kind {
	case "string", "number":
		if v == nil {
			return ""
		}
		return value.Str(v)
	case "boolean":
		switch {
		case v == nil:
			return ""
		case value.Truth(v):
			return "1"
		}
		return "0"
	case "array":
		if l, ok := v.(*value.List); ok {
			parts := make([]string, len(l.Items))
			for i, e := range l.Items {
				parts[i] = value.Str(e)
			}
			return strings.Join(parts, ",")
		}
	case "object":
		if d, ok := v.(*value.Dict); ok && d.Len() > 0 {
			if text, err := value.AppendJSON(nil, d); err == nil {
				return string(text)
			}
		}
	case "null":
		return ""
	}
	if !value.Truth(v) { // an integer 0 too: upstream's rule for every other type
		return ""
	}
	return value.Str(v)
}

// argument is one argument of a script: "<op>name" with or without a value, or a plain text.
type argument struct {
	head  string // "" for a positional one
	value string
	bare  bool // true: no value
}

func (s *Set) arguments(action *value.Dict, kwargOp string) []argument {
	positional, named := s.Split(action)
	var out []argument
	for k, v := range named.All() {
		head := kwargOp + value.Str(k)
		switch {
		case v == nil, v == "", v == false:
		case v == true:
			out = append(out, argument{head: head, bare: true})
		default:
			out = append(out, argument{head: head, value: value.Str(v)})
		}
	}
	for _, p := range positional {
		out = append(out, argument{value: p})
	}
	return out
}

// ScriptArgs builds the arguments of a script: named ones first ("--name=value";
// true is a bare flag; null, false and empty text are left out), then positional
// ones. kwargOp is what stands before a name, "--" by default. Nothing is quoted.
func (s *Set) ScriptArgs(action *value.Dict, kwargOp string) []string {
	var out []string
	for _, a := range s.arguments(action, kwargOp) {
		switch {
		case a.head == "":
			out = append(out, a.value)
		case a.bare:
			out = append(out, a.head)
		default:
			out = append(out, a.head+"="+a.value)
		}
	}
	return out
}

// ShellArgs is ScriptArgs as one text for a POSIX shell, with every value quoted.
func (s *Set) ShellArgs(action *value.Dict, kwargOp string) string {
	var out []string
	for _, a := range s.arguments(action, kwargOp) {
		switch {
		case a.head == "":
			out = append(out, ShellQuote(a.value))
		case a.bare:
			out = append(out, a.head)
		default:
			out = append(out, a.head+"="+ShellQuote(a.value))
		}
	}
	return strings.Join(out, " ")
}

// ShellQuote quotes one word for a POSIX shell, as Python's shlex.quote does.
func ShellQuote(s string) string {
	safe := s != ""
	for i := 0; i < len(s) && safe; i++ {
		c := s[i]
		safe = c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("_@%+=:,./-", c) >= 0
	}
	if safe {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'"
}
