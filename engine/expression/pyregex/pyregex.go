// Package pyregex gives regular expressions the syntax and semantics of Python's
// re module, on top of the backtracking engine dlclark/regexp2: named groups
// (?P<n>...), look-around, back-references, \Z, {,n}, Python's replacement
// syntax, positions counted in code points. Every match has a time limit.
//
// The package must not know who uses it: templates, aliases or rules.
package pyregex

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// Flags are the flags of re.compile; a pattern may also set them itself: (?i).
type Flags uint

// The flags that packs use.
const (
	IgnoreCase Flags = 1 << iota
	MultiLine
	DotAll
	Verbose
)

// MatchTimeout is how long one search may backtrack before it fails.
const MatchTimeout = time.Second

// maxPattern bounds the length of a pattern in bytes.
const maxPattern = 64 << 10

// Regexp is a compiled pattern, safe for concurrent use.
type Regexp struct {
	pattern string
	body    string
	opts    regexp2.RegexOptions
	groups  int
	names   []string // by group number, "" for groups without a name
	search  *regexp2.Regexp

	startOnce, fullOnce sync.Once
	start, full         *regexp2.Regexp
	startErr, fullErr   error
}

// Match is one occurrence. Groups[0] is the whole of it.
type Match struct {
	Groups []Group
	names  []string
}

// Group is what a group matched; Start and End are code points. A group that
// took no part has Matched false and Start -1.
type Group struct {
	Text       string
	Start, End int
	Matched    bool
}

// Compile translates and compiles a pattern. The error says what is wrong and
// at which position of the pattern, as Python's re.error does.
func Compile(pattern string, flags Flags) (*Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("regular expression of %d bytes is longer than %d", len(pattern), maxPattern)
	}
	t := translator{src: pattern, flags: flags}
	body, err := t.translate()
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %w", pattern, err)
	}
	r := &Regexp{pattern: pattern, body: body, groups: len(t.names), names: t.names}
	for _, o := range []struct {
		flag Flags
		opt  regexp2.RegexOptions
	}{{IgnoreCase, regexp2.IgnoreCase}, {MultiLine, regexp2.Multiline}, {DotAll, regexp2.Singleline}, {Verbose, regexp2.IgnorePatternWhitespace}} {
		if t.flags&o.flag != 0 {
			r.opts |= o.opt
		}
	}
	if r.search, err = r.compile(body); err != nil {
		return nil, fmt.Errorf("invalid regular expression %q: %w", pattern, err)
	}
	return r, nil
}

func (r *Regexp) compile(body string) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(body, r.opts)
	if err != nil {
		return nil, err
	}
	re.MatchTimeout = MatchTimeout
	return re, nil
}

// String is the pattern as it was written.
func (r *Regexp) String() string { return r.pattern }

// NumGroups is the number of groups, without group 0.
func (r *Regexp) NumGroups() int { return r.groups }

// GroupNames lists the names of the groups by number minus one; "" for a group without a name.
func (r *Regexp) GroupNames() []string { return r.names }

// Search is re.search: the first occurrence anywhere, nil when there is none.
func (r *Regexp) Search(s string) (*Match, error) {
	return r.result(r.search.FindStringMatch(s))
}

// MatchStart is re.match: an occurrence at the start of s, nil when there is none.
func (r *Regexp) MatchStart(s string) (*Match, error) {
	r.startOnce.Do(func() { r.start, r.startErr = r.compile(`\G(?:` + r.wrap() + `)`) })
	if r.startErr != nil {
		return nil, r.startErr
	}
	return r.result(r.start.FindStringMatch(s))
}

// FullMatch is re.fullmatch: an occurrence that is all of s, nil when there is none.
func (r *Regexp) FullMatch(s string) (*Match, error) {
	r.fullOnce.Do(func() { r.full, r.fullErr = r.compile(`\G(?:` + r.wrap() + `)\z`) })
	if r.fullErr != nil {
		return nil, r.fullErr
	}
	return r.result(r.full.FindStringMatch(s))
}

// wrap ends a trailing comment of a verbose pattern before the bracket that follows.
func (r *Regexp) wrap() string {
	if r.opts&regexp2.IgnorePatternWhitespace != 0 {
		return r.body + "\n"
	}
	return r.body
}

// FindAll lists the occurrences from left to right, at most limit of them when limit > 0.
func (r *Regexp) FindAll(s string, limit int) ([]*Match, error) {
	var out []*Match
	m, err := r.search.FindStringMatch(s)
	for ; m != nil && err == nil; m, err = r.search.FindNextMatch(m) {
		converted, _ := r.result(m, nil)
		if out = append(out, converted); limit > 0 && len(out) == limit {
			return out, nil
		}
	}
	_, err = r.result(nil, err)
	return out, err
}

// Replace is re.sub: every occurrence (the first count ones when count > 0) is
// replaced by repl, in which \1, \g<1>, \g<name> and the usual escapes are known.
func (r *Regexp) Replace(s, repl string, count int) (string, error) {
	parts, err := r.parseReplacement(repl)
	if err != nil {
		return "", err
	}
	return r.ReplaceFunc(s, func(m *Match) (string, error) {
		var b strings.Builder
		for _, p := range parts {
			if p.group >= 0 {
				b.WriteString(m.Groups[p.group].Text)
			} else {
				b.WriteString(p.text)
			}
		}
		return b.String(), nil
	}, count)
}

// maxReplaced bounds the text that replacing may produce, in bytes.
const maxReplaced = 64 << 20

// ReplaceFunc is re.sub with a function.
func (r *Regexp) ReplaceFunc(s string, f func(*Match) (string, error), count int) (string, error) {
	found, err := r.FindAll(s, count)
	if err != nil || len(found) == 0 {
		return s, err
	}
	var b strings.Builder
	c := cursor{text: s}
	for _, m := range found {
		b.WriteString(c.upTo(m.Groups[0].Start))
		c.upTo(m.Groups[0].End)
		text, err := f(m)
		if err != nil {
			return "", err
		}
		if b.WriteString(text); b.Len() > maxReplaced {
			return "", errors.New("the replaced text is too large")
		}
	}
	b.WriteString(c.rest())
	return b.String(), nil
}

// Split is re.split: the text between the occurrences, with the groups of each
// occurrence in between; at most max cuts when max > 0.
func (r *Regexp) Split(s string, max int) ([]Group, error) {
	found, err := r.FindAll(s, max)
	if err != nil {
		return nil, err
	}
	var out []Group
	c := cursor{text: s}
	for _, m := range found {
		out = append(out, Group{Text: c.upTo(m.Groups[0].Start), Matched: true})
		c.upTo(m.Groups[0].End)
		out = append(out, m.Groups[1:]...)
	}
	return append(out, Group{Text: c.rest(), Matched: true}), nil
}

// cursor walks a text by code points.
type cursor struct {
	text       string
	off, runes int
}

// upTo gives the text up to the given code point and moves there.
func (c *cursor) upTo(runes int) string {
	start := c.off
	for c.runes < runes && c.off < len(c.text) {
		_, n := utf8.DecodeRuneInString(c.text[c.off:])
		c.off += n
		c.runes++
	}
	return c.text[start:c.off]
}

func (c *cursor) rest() string { return c.text[c.off:] }

// Named finds a group by its name.
func (m *Match) Named(name string) (Group, bool) {
	for i, n := range m.names {
		if n == name && n != "" {
			return m.Groups[i+1], true
		}
	}
	return Group{}, false
}

// NamedGroups gives the text of every named group that took part.
func (m *Match) NamedGroups() map[string]string {
	out := map[string]string{}
	for i, n := range m.names {
		if n != "" && m.Groups[i+1].Matched {
			out[n] = m.Groups[i+1].Text
		}
	}
	return out
}

// Text is the whole occurrence.
func (m *Match) Text() string { return m.Groups[0].Text }

func (r *Regexp) result(m *regexp2.Match, err error) (*Match, error) {
	if err != nil {
		return nil, fmt.Errorf("regular expression %q took longer than %v: %w", r.pattern, MatchTimeout, err)
	}
	if m == nil {
		return nil, nil
	}
	out := &Match{Groups: make([]Group, r.groups+1), names: r.names}
	for i := range out.Groups {
		out.Groups[i] = Group{Start: -1, End: -1}
		if g := m.GroupByNumber(i); g != nil && len(g.Captures) > 0 {
			out.Groups[i] = Group{Text: g.String(), Start: g.Index, End: g.Index + g.Length, Matched: true}
		}
	}
	return out, nil
}

// Escape is re.escape: a pattern that matches exactly s.
func Escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("()[]{}?*+-|^$\\.&~# \t\n\r\v\f", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
