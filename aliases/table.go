package aliases

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Table is an immutable snapshot of many aliases, indexed for matching. Build a new one when an alias changes; readers need no lock.
type Table struct {
	definitions []Definition // by ref
	entries     []entry
	ordinary    index
	multiple    index // formats with match_multiple
}

// entry is one pattern of one enabled alias.
type entry struct {
	alias    int // in Table.definitions
	position int // of the pattern in its alias
	display  string
	format   *Format
	literals []string // stretches the message must hold, longest first; folded when the format ignores case
}

// Match is one alias that a message fits.
type Match struct {
	Alias   *Definition // shared, must not be changed
	Format  string      // the pattern that fitted
	Display string      // what help shows for it, may be empty
	Params  Params      // of the first hit
	// All holds the parameters of every hit of a match_multiple format, otherwise one set.
	All []Params

	rank     rank
	position int
}

// rank orders the matches of one message: the more of the message an alias names itself, the more specific it is.
type rank struct {
	literal int // characters of the message that the pattern spells out
	free    int // placeholders and groups that took part
	parts   int // free parts the pattern has in all
	fixed   int // characters it spells out whatever is left out
	folded  int // 1 when letter case was ignored
}

func (r rank) compare(o rank) int {
	return cmp.Or(cmp.Compare(o.literal, r.literal), cmp.Compare(r.free, o.free), cmp.Compare(r.parts, o.parts),
		cmp.Compare(o.fixed, r.fixed), cmp.Compare(r.folded, o.folded))
}

// SameRank reports whether nothing decides between two matches of the same message.
func (m Match) SameRank(o Match) bool { return m.rank.compare(o.rank) == 0 }

// Problem is something wrong with an alias.
type Problem struct {
	Kind   ProblemKind `json:"kind"`
	Ref    string      `json:"ref"`
	Format string      `json:"format,omitempty"`
	Other  string      `json:"other,omitempty"` // the alias that stands in the way
	Text   string      `json:"text"`            // what is wrong and what would be right
}

// ProblemKind sorts problems; see its constants.
type ProblemKind string

const (
	Uncompilable ProblemKind = "uncompilable" // the alias was left out of the table
	Duplicate    ProblemKind = "duplicate"    // another alias has the same ref; this one was left out
	Ambiguous    ProblemKind = "ambiguous"    // a message fits this and another alias equally well
	Shadowed     ProblemKind = "shadowed"     // another alias takes every message tried
	Overlap      ProblemKind = "overlap"      // another alias takes some messages, or this one takes some of the other's
	Suspicious   ProblemKind = "suspicious"   // works, but hardly as meant
)

// NewTable compiles and indexes aliases. A format that does not compile is reported and left out, as is an alias that has no other
// or whose ref is taken; neither keeps the others from working. Disabled aliases are checked but not matched.
func NewTable(defs []Definition) (*Table, []Problem) {
	t := &Table{definitions: slices.Clone(defs)}
	for i := range t.definitions {
		if d := &t.definitions[i]; d.Ref == "" {
			d.Ref = d.Pack + "." + d.Name
		}
	}
	slices.SortStableFunc(t.definitions, func(a, b Definition) int { return strings.Compare(a.Ref, b.Ref) })
	var problems []Problem
	kept := t.definitions[:0]
	for _, d := range t.definitions {
		if len(kept) > 0 && kept[len(kept)-1].Ref == d.Ref {
			problems = append(problems, Problem{Kind: Duplicate, Ref: d.Ref, Other: d.Ref,
				Text: fmt.Sprintf("there are two aliases %s; rename one of them", d.Ref)})
			continue
		}
		entries, bad := compileEntries(d, len(kept))
		if len(bad) > 0 {
			problems = append(problems, bad...)
		}
		if len(bad) > 0 && len(entries) == 0 {
			continue
		}
		kept = append(kept, d)
		if d.Enabled {
			t.entries = append(t.entries, entries...)
		}
	}
	t.definitions = kept
	t.buildIndex()
	return t, problems
}

// compileEntries compiles every pattern of an alias. A format with only a display is help text and gives none.
func compileEntries(d Definition, alias int) ([]entry, []Problem) {
	var entries []entry
	var problems []Problem
	for _, spec := range d.Formats {
		for _, source := range spec.Representation {
			f, err := Compile(source, Options{CaseInsensitive: d.CaseInsensitive})
			if err != nil {
				problems = append(problems, Problem{Kind: Uncompilable, Ref: d.Ref, Format: source, Text: err.Error()})
				continue
			}
			f.multiple = spec.MatchMultiple
			e := entry{alias: alias, position: len(entries), display: spec.Display, format: f, literals: f.shape.literals()}
			slices.SortStableFunc(e.literals, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
			if d.CaseInsensitive {
				for i, l := range e.literals {
					e.literals[i] = fold(l)
				}
			}
			entries = append(entries, e)
		}
	}
	return entries, problems
}

// Len returns the number of aliases in the table, disabled ones included.
func (t *Table) Len() int { return len(t.definitions) }

// Enabled returns the aliases that are matched, by ref. They are shared and must not be changed.
func (t *Table) Enabled() []*Definition {
	var list []*Definition
	for i := range t.definitions {
		if t.definitions[i].Enabled {
			list = append(list, &t.definitions[i])
		}
	}
	return list
}

// Get returns the alias of a ref. It is shared and must not be changed.
func (t *Table) Get(ref string) (*Definition, bool) {
	i, ok := slices.BinarySearchFunc(t.definitions, ref, func(d Definition, ref string) int { return strings.Compare(d.Ref, ref) })
	if !ok {
		return nil, false
	}
	return &t.definitions[i], true
}

// Match returns every alias the message fits, the most specific first, then by ref; of an alias with several patterns the best one counts.
// Formats with match_multiple are considered only when no other fits. An error means that no alias fitted and that the expression of at
// least one could not be brought to an end.
func (t *Table) Match(msg string) ([]Match, error) {
	m := newMessage(msg)
	matches, err := t.matchIndex(m, &t.ordinary, false)
	if len(matches) > 0 {
		return matches, nil
	}
	multiple, multipleErr := t.matchIndex(m, &t.multiple, true)
	if len(multiple) > 0 {
		return multiple, nil
	}
	return nil, errors.Join(err, multipleErr)
}

func (t *Table) matchIndex(m *message, x *index, all bool) ([]Match, error) {
	var matches []Match
	var failed error
	for _, i := range x.candidates(m) {
		e := &t.entries[i]
		if !e.possible(m) {
			continue
		}
		hits, err := e.format.match(m, all)
		if err != nil && !errors.Is(err, ErrNoValue) {
			failed = errors.Join(failed, fmt.Errorf("alias %s: %w", t.definitions[e.alias].Ref, err))
		}
		if len(hits) == 0 || err != nil {
			continue
		}
		matches = append(matches, t.newMatch(e, hits))
	}
	slices.SortFunc(matches, func(a, b Match) int {
		return cmp.Or(a.rank.compare(b.rank), strings.Compare(a.Alias.Ref, b.Alias.Ref), cmp.Compare(a.position, b.position))
	})
	seen := map[*Definition]bool{}
	matches = slices.DeleteFunc(matches, func(x Match) bool {
		again := seen[x.Alias]
		seen[x.Alias] = true
		return again
	})
	return matches, failed
}

func (t *Table) newMatch(e *entry, hits []result) Match {
	match := Match{Alias: &t.definitions[e.alias], Format: e.format.source, Display: e.display, Params: hits[0].params, position: e.position}
	for _, h := range hits {
		match.All = append(match.All, h.params)
	}
	match.rank = rank{literal: hits[0].literal, free: hits[0].free, parts: e.format.freeParts, fixed: e.format.minLiteral}
	if e.format.options.CaseInsensitive {
		match.rank.folded = 1
	}
	return match
}

// possible is the cheap test before the expression runs: are the literal stretches there at all?
func (e *entry) possible(m *message) bool {
	text := m.rest
	if e.format.options.CaseInsensitive {
		text = m.folded
	}
	for _, l := range e.literals {
		if !strings.Contains(text, l) {
			return false
		}
	}
	return true
}
