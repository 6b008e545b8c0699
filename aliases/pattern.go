package aliases

import (
	"strings"
	"unicode/utf8"

	"petrel/engine/expression/pyregex"
)

// pattern is the compiled expression of a format.
type pattern struct{ re *pyregex.Regexp }

func compilePattern(expr string, ignoreCase bool) (*pattern, error) {
	flags := pyregex.DotAll
	if ignoreCase {
		flags |= pyregex.IgnoreCase
	}
	re, err := pyregex.Compile(expr, flags)
	if err != nil {
		return nil, err
	}
	return &pattern{re}, nil
}

// hit is one occurrence: its named groups, and its length in characters without the white space around it.
type hit struct {
	groups []group
	runes  int
}

type group struct {
	name  string
	value *string // nil when the group took no part
	runes int
}

// find returns the first occurrence in text, or all that do not overlap.
func (p *pattern) find(text string, all bool) ([]hit, error) {
	limit := 1
	if all {
		limit = 0
	}
	found, err := p.re.FindAll(text, limit)
	hits := make([]hit, len(found))
	for i, m := range found {
		hits[i].runes = utf8.RuneCountInString(strings.TrimFunc(m.Text(), isSpace))
		for k, name := range p.re.GroupNames() {
			if name == "" {
				continue
			}
			g := group{name: name}
			if in := m.Groups[k+1]; in.Matched {
				g.value, g.runes = &in.Text, in.End-in.Start
			}
			hits[i].groups = append(hits[i].groups, g)
		}
	}
	return hits, err
}
