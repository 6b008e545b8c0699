package aliases

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Lint looks for aliases that get in each other's way and for formats that hardly do what was meant. It tries example messages made from
// every format, so it finds most overlaps, not all: what a regular expression of the author's own may match is not explored. Sorted by ref.
func (t *Table) Lint() []Problem {
	var problems []Problem
	for i := range t.definitions {
		problems = append(problems, lintDefinition(&t.definitions[i])...)
	}
	for i := range t.entries {
		problems = append(problems, lintFormat(t.definitions[t.entries[i].alias].Ref, t.entries[i].format)...)
	}
	problems = append(problems, t.lintOverlaps()...)
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Ref, b.Ref), strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Format, b.Format))
	})
	return problems
}

// lintDefinition checks what help and patterns say together.
func lintDefinition(d *Definition) []Problem {
	var problems []Problem
	if (d.Visibility == Ephemeral || d.Visibility == Direct) && !d.Ack.Enabled && !d.Result.Enabled {
		problems = append(problems, Problem{Kind: Suspicious, Ref: d.Ref,
			Text: fmt.Sprintf("says visibility: %s and switches ack and result off, so there is nothing to see; leave one of them on", d.Visibility)})
	}
	if d.Visibility == Public && (threadResponse(d.Ack.Extra) || threadResponse(d.Result.Extra)) {
		problems = append(problems, Problem{Kind: Suspicious, Ref: d.Ref,
			Text: "says visibility: public and extra.slack.thread_response: true; visibility decides, so leave one of them out"})
	}
	for _, spec := range d.Formats {
		switch {
		case len(spec.Representation) == 0:
			problems = append(problems, Problem{Kind: Suspicious, Ref: d.Ref, Format: spec.Display,
				Text: "has a display but no representation, so it is shown in help and never matched; add representation: [...]"})
		case spec.Display == "" && !spec.MatchMultiple && !slices.Equal(spec.Representation, []string{""}):
			problems = append(problems, Problem{Kind: Suspicious, Ref: d.Ref, Format: spec.Representation[0],
				Text: "has a representation but no display, so help does not show it; add display: \"...\""})
		}
	}
	return problems
}

// lintFormat finds traps of the grammar in one format.
func lintFormat(ref string, f *Format) []Problem {
	var problems []Problem
	add := func(text string, args ...any) {
		problems = append(problems, Problem{Kind: Suspicious, Ref: ref, Format: f.source, Text: fmt.Sprintf(text, args...)})
	}
	segments, err := splitFormat(f.source)
	if err != nil {
		return nil
	}
	before := ""
	for _, s := range segments {
		if s.placeholder == nil {
			before = s.text
			if i := strings.Index(s.text, "{{"); i >= 0 {
				add("%q is not a placeholder and is matched as it stands; a placeholder is {{ name }} or {{ name = default }}", s.text[i:])
			}
			continue
		}
		if s.lead == "" && strings.HasSuffix(before, "=") {
			add("a value after %q is taken for a pair before the format is looked at, so this hardly ever matches; "+
				"leave it out: people can add %s=... at the end", before, s.placeholder.Name)
		}
		before = ""
	}
	if f.multiple && !f.shape.anchoredStart {
		add("match_multiple needs anchors of its own, for example (?:\\b|^)...(?:\\b|$); without them it finds one hit at most")
	}
	if strings.HasSuffix(f.source, "?") && len(f.source) > 1 && isLetter(f.source[len(f.source)-2]) {
		add("the question mark at the end makes the letter before it optional; write \\? for a question mark")
	}
	return problems
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// lintOverlaps shows the example messages of every pattern to the whole table.
func (t *Table) lintOverlaps() []Problem {
	type meeting struct{ won, lost, even int } // what became of the examples that another alias fits, too
	var problems []Problem
	for i := range t.entries {
		e := &t.entries[i]
		own := &t.definitions[e.alias]
		met, examples := map[*Definition]*meeting{}, 0
		for _, msg := range e.format.examples() {
			matches, err := t.Match(msg)
			at := slices.IndexFunc(matches, func(m Match) bool { return m.Alias == own })
			if err != nil || at < 0 {
				continue
			}
			examples++
			for j, m := range matches {
				if j == at {
					continue
				}
				if met[m.Alias] == nil {
					met[m.Alias] = &meeting{}
				}
				switch c := m.rank.compare(matches[at].rank); {
				case c < 0:
					met[m.Alias].lost++
				case c > 0:
					met[m.Alias].won++
				default:
					met[m.Alias].even++
				}
			}
		}
		for other, m := range met {
			p := Problem{Ref: own.Ref, Format: e.format.source, Other: other.Ref}
			switch {
			case m.even > 0:
				p.Kind = Ambiguous
				p.Text = fmt.Sprintf("and %s fit the same message equally well, so people are asked which one they mean; word one of them differently", other.Ref)
			case m.lost == examples:
				p.Kind = Shadowed
				p.Text = fmt.Sprintf("is never reached: %s is more specific for every message tried", other.Ref)
			case m.lost > 0:
				p.Kind = Overlap
				p.Text = fmt.Sprintf("some of its messages go to %s, which is more specific", other.Ref)
			default:
				continue // the other alias reports it from its own examples if it matters
			}
			problems = append(problems, p)
		}
	}
	return problems
}

// examples returns messages the format should match: with and without its optional parts, with one word and with two for each value.
func (f *Format) examples() []string {
	var list []string
	for _, text := range []string{"qx7", "qx7 zk9"} {
		for _, full := range []bool{false, true} {
			msg := f.shape.example(text, full)
			if _, ok, err := f.Match(msg); ok && !errors.Is(err, ErrNoValue) && !slices.Contains(list, msg) {
				list = append(list, msg)
			}
		}
	}
	return list
}

// threadResponse reports whether an extra asks for answers in a thread, as
// StackStorm's chat client understands it.
func threadResponse(extra json.RawMessage) bool {
	var e struct {
		Slack struct {
			ThreadResponse bool `json:"thread_response"`
		} `json:"slack"`
	}
	return len(extra) > 0 && json.Unmarshal(extra, &e) == nil && e.Slack.ThreadResponse
}
