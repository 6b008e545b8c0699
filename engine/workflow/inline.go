package workflow

import (
	"regexp"
	"strings"

	"petrel/engine/expression/value"
)

// inlinePair is one name=value in the text of an action or a publish. The
// alternatives of a value are tried in this order; all that matches none of them
// is skipped, as upstream does.
var inlinePair = regexp.MustCompile(`([\p{L}\p{N}_]+)=(\[.*\]\s*|"[^"]*"\s*|'[^']*'\s*|-?\d*\.\d+|-?\d+|(?i:true)|(?i:false)|null|\{\{.*?\}\}|<%.*?%>)`)

var inlineQuoted = regexp.MustCompile(`"[^"]*"\s*|'[^']*'\s*`)

// inlineParams reads the name=value pairs of a text, in order; nil when there are none.
func inlineParams(s string) []Assignment {
	if !strings.Contains(s, "=") {
		return nil
	}
	var out []Assignment
	for _, m := range inlinePair.FindAllStringSubmatch(s, -1) {
		out = append(out, Assignment{Name: m[1], Value: inlineValue(strings.TrimSpace(m[2]))})
	}
	return out
}

// inlineValue decodes a value as JSON where that is possible; one with quotes in it
// stays text, unless what the quotes hold is a JSON map.
func inlineValue(s string) any {
	quoted := inlineQuoted.MatchString(s)
	for _, q := range []string{`"`, `'`} {
		s = strings.TrimSuffix(strings.TrimPrefix(s, q), q)
	}
	if s == "" || quoted && !(s[0] == '{' && s[len(s)-1] == '}') {
		return s
	}
	text := s
	if lower := strings.ToLower(s); lower == "true" || lower == "false" {
		text = lower
	}
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		return s
	}
	return v
}
