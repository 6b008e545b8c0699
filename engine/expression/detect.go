package expression

import (
	"fmt"
	"strings"
)

// The languages of workflow texts.
const (
	Jinja = "jinja" // {{ ... }} and {% ... %}
	YAQL  = "yaql"  // <% ... %>
	Expr  = "expr"  // <%= ... %>
)

// Expression is one expression in a workflow text.
type Expression struct {
	Language string
	Text     string // with its delimiters
	Source   string // without them, and without blanks around it
	Start    int    // byte offset of Text
}

// Detect tells the language of a workflow text: Jinja when there is any Jinja,
// else YAQL or Expr, "" when there is no expression. Expressions lie on one line.
func Detect(s string) string {
	switch {
	case len(s) < 4:
		return ""
	case has(s, "{{", "}}") || has(s, "{%", "%}"):
		return Jinja
	case has(s, "<%", "%>"):
		for _, at := range spans(s, "<%", "%>") {
			if s[at[0]+2] != '=' {
				return YAQL
			}
		}
		return Expr
	}
	return ""
}

// Find lists the expressions of a language in a text. YAQL and Expr may stand
// side by side and are found together.
func Find(s, lang string) []Expression {
	open, shut := "<%", "%>"
	if lang == Jinja {
		open, shut = "{{", "}}"
	}
	var out []Expression
	for _, at := range spans(s, open, shut) {
		x := Expression{Language: YAQL, Text: s[at[0]:at[1]], Start: at[0]}
		source := s[at[0]+2 : at[1]-2]
		if lang == Jinja {
			x.Language = Jinja
		} else if rest, ok := strings.CutPrefix(source, "="); ok {
			x.Language, source = Expr, rest
		}
		x.Source = strings.TrimSpace(source)
		out = append(out, x)
	}
	return out
}

func has(s, open, shut string) bool {
	i := strings.Index(s, open)
	return i >= 0 && strings.Contains(s[i+2:], shut) && len(spans(s, open, shut)) > 0
}

// spans finds the shortest pairs of delimiters with no line break between them.
func spans(s, open, shut string) [][2]int {
	var out [][2]int
	for pos := 0; ; {
		i := strings.Index(s[pos:], open)
		if i < 0 {
			return out
		}
		start := pos + i
		line := s[start+2:]
		if nl := strings.IndexByte(line, '\n'); nl >= 0 {
			line = line[:nl]
		}
		j := strings.Index(line, shut)
		if j < 0 {
			pos = start + 2 + len(line) // no other pair can end on this line
			continue
		}
		end := start + 2 + j + 2
		out = append(out, [2]int{start, end})
		pos = end
	}
}

// Problem is an expression that does not parse.
type Problem struct {
	Language   string
	Expression string
	Err        error
}

// Inspect checks the grammar of the expressions in one workflow text. Jinja and
// YAQL in one text are a problem too.
func (r *Renderer) Inspect(s string) []Problem {
	lang := Detect(s)
	if lang == "" {
		return nil
	}
	if lang == Jinja && has(s, "<%", "%>") {
		return []Problem{{Language: lang, Expression: s, Err: fmt.Errorf("YAQL and Jinja in one text: only the Jinja would be evaluated")}}
	}
	var out []Problem
	note := func(lang, text string, err error) {
		if err != nil {
			out = append(out, Problem{lang, text, err})
		}
	}
	if lang == Jinja {
		_, err := cached(r.cache, kindWorkflowText, s, r.workflows.Compile)
		note(Jinja, s, err)
		if err != nil {
			return out
		}
		s = rawBlock.ReplaceAllString(s, "")
	}
	for _, x := range Find(s, lang) {
		if x.Language == Jinja {
			_, err := cached(r.cache, kindWorkflowInline, x.Source, r.workflows.CompileExpression)
			note(Jinja, x.Text, err)
			continue
		}
		if compile := r.languages[x.Language]; compile != nil {
			_, err := cachedAs(r.cache, cacheKey{lang: x.Language, source: x.Source}, compile)
			note(x.Language, x.Text, err)
		}
	}
	return out
}
