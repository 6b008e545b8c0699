package mistral

import (
	"regexp"
	"slices"
	"strings"

	"petrel/engine/expression/value"
)

// scope is where an expression stands.
type scope struct {
	task  string
	items []string // the variables of the items of the task
}

// convert converts the expressions in a value, at every level.
func (c *converter) convert(v any, at scope) any {
	switch x := v.(type) {
	case string:
		return c.text(x, at)
	case *value.List:
		out := value.NewList()
		for _, item := range x.Items {
			out.Items = append(out.Items, c.convert(item, at))
		}
		return out
	case *value.Dict:
		out := value.NewDict(x.Len())
		for k, item := range x.All() {
			if name, ok := k.(string); ok {
				k = c.text(name, at)
			}
			_ = out.Set(k, c.convert(item, at)) // texts can be keys
		}
		return out
	}
	return v
}

var block = regexp.MustCompile(`(?s)<%.*?%>|\{\{.*?\}\}|\{%.*?%\}`)

// text converts the expressions in a text.
func (c *converter) text(s string, at scope) string {
	return block.ReplaceAllStringFunc(s, func(b string) string {
		jinja := !strings.HasPrefix(b, "<%")
		return b[:2] + inside(b[2:len(b)-2], jinja, at) + b[len(b)-2:]
	})
}

// unwrap takes the brackets off a text that is one expression. language is "" when
// it is none.
func unwrap(s string) (inner, language string) {
	t := strings.TrimSpace(s)
	if b := block.FindString(t); b == t && b != "" {
		switch b[:2] {
		case "<%":
			return strings.TrimSpace(b[2 : len(b)-2]), "yaql"
		case "{{":
			return strings.TrimSpace(b[2 : len(b)-2]), "jinja"
		}
	}
	return t, ""
}

func wrap(inner, language string) string {
	if language == "jinja" {
		return "{{ " + inner + " }}"
	}
	return "<% " + inner + " %>"
}

// lambdas are the YAQL methods whose arguments see an element as $.
var lambdas = []string{"select", "where", "any", "all", "orderBy", "orderByDescending", "thenBy", "thenByDescending", "groupBy", "toDict",
	"selectMany", "takeWhile", "skipWhile", "aggregate", "reduce", "indexWhere", "lastIndexWhere", "splitWhere", "distinct", "sum", "max", "min",
	"selectAllCases", "assert", "accumulate", "generate", "join", "mergeWith", "unpack"}

var (
	quotedText = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')`)
	wordStart  = regexp.MustCompile(`^[A-Za-z_]\w*`)
	taskResult = regexp.MustCompile(`^task\(\s*['"]?([\w-]*)['"]?\s*\)(\.result\b)?`)
	storedItem = regexp.MustCompile(`^st2kv\.(system|user)\.(\w+)`)
	variable   = regexp.MustCompile(`^[$_]\.(\w+)`)
	envID      = regexp.MustCompile(`^env\(\)\.(?:get\()?['"]?(st2_execution_id|st2_action_api_url)['"]?\)?`)
)

// inside converts what stands between the brackets.
func inside(s string, jinja bool, at scope) string {
	var out strings.Builder
	depth := 0
	var within []int // depths at which the arguments of a lambda method began
	before := byte(0)
	emit := func(text string, used int) {
		out.WriteString(text)
		before = s[used-1]
		s = s[used:]
	}
	for len(s) > 0 {
		lone := !isWord(before) && before != '.' // nothing to which a name belongs stands before it
		if m := quotedText.FindString(s); m != "" {
			emit(m, len(m))
			continue
		}
		if lone {
			if m := taskResult.FindStringSubmatch(s); m != nil {
				emit(taskCall(m[1], m[2] != "", at), len(m[0]))
				continue
			}
			if m := storedItem.FindStringSubmatch(s); m != nil {
				emit("st2kv('"+m[1]+"."+m[2]+"')", len(m[0]))
				continue
			}
			if m := envID.FindStringSubmatch(s); m != nil {
				emit(map[string]string{"st2_execution_id": "ctx().st2.action_execution_id", "st2_action_api_url": "ctx().st2.api_url"}[m[1]], len(m[0]))
				continue
			}
			if (s[0] == '$' && !jinja && len(within) == 0) || (s[0] == '_' && jinja) {
				if m := variable.FindStringSubmatch(s); m != nil {
					emit(variableCall(m[1], jinja, at), len(m[0]))
					continue
				}
				if s[0] == '$' {
					emit("ctx()", 1)
					continue
				}
			}
		}
		if m := wordStart.FindString(s); m != "" {
			if !jinja && before == '.' && slices.Contains(lambdas, m) && strings.HasPrefix(strings.TrimLeft(s[len(m):], " "), "(") {
				within = append(within, depth)
			}
			emit(m, len(m))
			continue
		}
		switch s[0] {
		case '(':
			depth++
		case ')':
			depth--
			if n := len(within); n > 0 && within[n-1] == depth {
				within = within[:n-1]
			}
		}
		emit(s[:1], 1)
	}
	return out.String()
}

func isWord(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

// taskCall converts task(name).result: that of the task itself is result().
func taskCall(name string, result bool, at scope) string {
	if result && (name == "" || name == at.task) {
		return "result()"
	}
	out := "task('" + taskName(name) + "')"
	if result {
		out += ".result"
	}
	return out
}

func variableCall(name string, jinja bool, at scope) string {
	if !slices.Contains(at.items, name) {
		return "ctx()." + name
	}
	if jinja {
		return "item('" + name + "')"
	}
	return "item(" + name + ")"
}

var anyVariable = regexp.MustCompile(`(?:^|[^\w.$])[$_]\.(\w+)`)

// variablesOf lists the variables that the expressions of a text use.
func variablesOf(s string) []string {
	var out []string
	for _, b := range block.FindAllString(s, -1) {
		for _, m := range anyVariable.FindAllStringSubmatch(b, -1) {
			if !slices.Contains(out, m[1]) {
				out = append(out, m[1])
			}
		}
	}
	return out
}

// usedIn notes the variables that the expressions of a value use.
func usedIn(v any, names map[string]bool) {
	switch x := v.(type) {
	case string:
		for _, name := range variablesOf(x) {
			names[name] = true
		}
	case *value.List:
		for _, item := range x.Items {
			usedIn(item, names)
		}
	case *value.Dict:
		for _, item := range x.All() {
			usedIn(item, names)
		}
	}
}

// replaceVariable puts an expression in the place of $.name or _.name.
func replaceVariable(s, name, by string) string {
	re := regexp.MustCompile(`(^|[^\w.$])[$_]\.` + regexp.QuoteMeta(name) + `\b`)
	return re.ReplaceAllStringFunc(s, func(m string) string {
		return m[:strings.IndexAny(m, "$_")] + by
	})
}
