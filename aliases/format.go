package aliases

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Options change how a format is compiled.
type Options struct {
	// CaseInsensitive makes the literal parts match in any letter case; values keep the case they were typed in. StackStorm is case-sensitive.
	CaseInsensitive bool
}

// Params are the parameters of a command: text by name. A null is a named group of the author's own expression that took no part.
type Params map[string]*string

// Format is a compiled alias format. It is immutable and may be used by many goroutines.
type Format struct {
	source       string
	options      Options
	placeholders []Placeholder
	shape        shape
	re           *pattern
	minLiteral   int      // characters of a match that the format names itself, at least
	maxLiteral   int      // and at most
	freeParts    int      // placeholders, classes and the like
	parts        [][]part // words and gaps, for suggestions
	multiple     bool     // every hit counts, set by a table
}

// maxFormat is the longest format accepted, in bytes.
const maxFormat = 8 << 10

// ErrNoValue: the message holds nothing but pairs without a value, and the format is not empty.
var ErrNoValue = errors.New("no value supplied and no default value found")

// FormatError says why a format is refused.
type FormatError struct {
	Format      string
	Placeholder string // the placeholder at fault, empty when it is the expression
	Reason      string
}

func (e *FormatError) Error() string { return fmt.Sprintf("format %q: %s", e.Format, e.Reason) }

// Compile reads one format. An error is a *FormatError.
func Compile(format string, o Options) (*Format, error) {
	if len(format) > maxFormat {
		return nil, &FormatError{Format: format[:40] + "...", Reason: fmt.Sprintf("%d bytes are too long; the limit is %d", len(format), maxFormat)}
	}
	segments, err := splitFormat(format)
	if err != nil {
		return nil, err
	}
	f := &Format{source: format, options: o, shape: newShape(segments)}
	var expr strings.Builder
	if !f.shape.anchoredStart {
		expr.WriteString(`^\s*`)
	}
	for _, s := range segments {
		expr.WriteString(s.expression())
		if s.placeholder != nil {
			f.placeholders = append(f.placeholders, *s.placeholder)
		}
	}
	if !f.shape.anchoredEnd {
		expr.WriteString(`\s*$`)
	}
	if err := f.checkExpression(); err != nil {
		return nil, err
	}
	if f.re, err = compilePattern(expr.String(), o.CaseInsensitive); err != nil {
		return nil, &FormatError{Format: format, Reason: fmt.Sprintf("the text outside the placeholders is a regular expression and does not compile: %v; "+
			`put a backslash before each of . ? * + ( ) [ ] { } | ^ $ that is meant literally`, err)}
	}
	f.parts = f.shape.parts()
	f.freeParts = freeParts(f.shape.nodes)
	f.minLiteral, f.maxLiteral = literalBounds(f.shape.nodes)
	return f, nil
}

// checkExpression refuses what Python refuses, with the usual cause.
func (f *Format) checkExpression() error {
	for _, p := range f.placeholders {
		if slices.Contains(f.shape.names, p.Name) {
			return &FormatError{Format: f.source, Placeholder: p.Name,
				Reason: fmt.Sprintf("the group (?P<%s>...) and the placeholder {{%s}} have the same name; rename one of them", p.Name, p.Name)}
		}
	}
	if f.shape.flagged && !f.shape.anchoredStart && f.shape.fault == "" {
		f.shape.fault = "flags for the whole expression need an own ^ behind them; write (?i:...) around the text they are for"
	}
	if f.shape.fault != "" {
		return &FormatError{Format: f.source, Reason: f.shape.fault}
	}
	return nil
}

// expression turns a segment into a regular expression. A placeholder takes a value in quotes (the quotes stay outside), in braces, or any
// text; always the shortest that fits and never empty.
func (s segment) expression() string {
	if s.placeholder == nil {
		return s.text
	}
	value := s.lead + `["']?(?P<` + s.placeholder.Name + `>(?:(?<=').+?(?=')|(?<=").+?(?=")|\{.+?\}|.+?))["']?`
	if s.placeholder.Optional {
		return "(?:" + value + ")?"
	}
	return value
}

// Source returns the format as written.
func (f *Format) Source() string { return f.source }

// Placeholders returns the placeholders in the order written. The slice must not be changed.
func (f *Format) Placeholders() []Placeholder { return f.placeholders }

// Names returns the names that a match of the format gives values to, placeholders first.
func (f *Format) Names() []string {
	names := make([]string, 0, len(f.placeholders)+len(f.shape.names))
	for _, p := range f.placeholders {
		names = append(names, p.Name)
	}
	return append(names, f.shape.names...)
}

// Match takes the parameters out of a message. It returns false when the message does not fit, with ErrNoValue when it fits but gives no value
// at all, or with the engine's error when the format's expression takes too long.
func (f *Format) Match(msg string) (Params, bool, error) {
	hits, err := f.match(newMessage(msg), false)
	if len(hits) == 0 || err != nil {
		return nil, false, err
	}
	return hits[0].params, true, nil
}

// MatchAll returns the parameters of every hit of the format in the message that does not overlap an earlier one (`match_multiple`).
func (f *Format) MatchAll(msg string) ([]Params, error) {
	hits, err := f.match(newMessage(msg), true)
	var all []Params
	for _, h := range hits {
		all = append(all, h.params)
	}
	return all, err
}

// result is one hit of a format with what its rank needs.
type result struct {
	params  Params
	literal int // characters of the message that the format names itself
	free    int // placeholders and named groups that took part
}

// match runs the expression over the message, once or as often as it hits.
func (f *Format) match(m *message, all bool) ([]result, error) {
	hits, err := f.re.find(m.rest, all)
	if err != nil {
		return nil, fmt.Errorf("match format %q: %w", f.source, err)
	}
	results := make([]result, 0, len(hits))
	for _, h := range hits {
		r := f.result(h, m)
		if f.source != "" && strings.TrimFunc(m.rest, isSpace) == "" && !r.params.anyValue() {
			return nil, ErrNoValue
		}
		results = append(results, r)
	}
	return results, nil
}

// result merges the groups of a hit with the defaults and the tail pairs, the later ones winning.
func (f *Format) result(h hit, m *message) result {
	r := result{params: make(Params, len(h.groups)+len(m.pairs)), literal: h.runes}
	for _, g := range h.groups {
		r.params[g.name] = g.value
		if g.value != nil {
			r.literal -= g.runes
			r.free++
		}
	}
	r.literal = max(0, min(r.literal, f.maxLiteral))
	for i, p := range f.placeholders {
		if v := r.params[p.Name]; p.Optional && (v == nil || *v == "") {
			r.params[p.Name] = &f.placeholders[i].Default
		}
	}
	for i := range m.pairs {
		r.params[m.pairs[i].key] = &m.pairs[i].value
	}
	return r
}

func (p Params) anyValue() bool {
	for _, v := range p {
		if v != nil && *v != "" {
			return true
		}
	}
	return false
}
