package aliases

import (
	"cmp"
	"slices"
	"strings"
)

// Incomplete is a pattern that a message fits as far as it goes: every literal word is there, values are missing.
type Incomplete struct {
	Match            // Params and All hold the values that are there
	Missing []string // names of the values that are not, in the order of the pattern; may be empty when pairs gave them all
}

// marker stands for a missing value while the rest of a message is matched. It holds letters only, so that most expressions of authors take it.
const marker = "qmissingvalueq"

// Incomplete returns the patterns that a message which fits none begins to fit, `deploy` for `deploy {{ app }}`: those with the fewest missing
// values first, then the most specific; of an alias with several patterns the best one counts.
func (t *Table) Incomplete(msg string) []Incomplete {
	m := newMessage(msg)
	words := wordSpans(m.rest)
	if len(words) == 0 || len(words) > maxWords {
		return nil
	}
	s := suggester{message: m, words: words, exact: true, distances: map[[2]string]int{}}
	var found []Incomplete
	for i := range t.entries {
		e := &t.entries[i]
		if e.format.multiple {
			continue
		}
		for _, parts := range e.format.parts {
			if text, ok := s.fill(parts); ok {
				if in, ok := t.incomplete(e, text); ok {
					found = append(found, in)
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b Incomplete) int {
		return cmp.Or(cmp.Compare(len(a.Missing), len(b.Missing)), a.rank.compare(b.rank),
			strings.Compare(a.Alias.Ref, b.Alias.Ref), cmp.Compare(a.position, b.position))
	})
	seen := map[*Definition]bool{}
	return slices.DeleteFunc(found, func(in Incomplete) bool {
		again := seen[in.Alias]
		seen[in.Alias] = true
		return again
	})
}

// incomplete matches a message whose missing values were filled in with the marker.
func (t *Table) incomplete(e *entry, text string) (Incomplete, bool) {
	hits, err := e.format.match(newMessage(text), false)
	if err != nil || len(hits) == 0 {
		return Incomplete{}, false
	}
	var missing []string
	for _, name := range e.format.Names() {
		if v := hits[0].params[name]; v != nil && strings.Contains(*v, marker) {
			if *v != marker {
				return Incomplete{}, false // the gap was taken for a part of another value
			}
			missing = append(missing, name)
			delete(hits[0].params, name)
		}
	}
	return Incomplete{Match: t.newMatch(e, hits), Missing: missing}, true
}

// fill writes the message with the marker in place of each required value that is missing. It says no when anything but values is missing, and
// when nothing is.
func (s *suggester) fill(parts []part) (string, bool) {
	if len(parts) == 0 || parts[0].word == "" || s.distance(parts[0].word, s.words[0].folded) == impossible {
		return "", false
	}
	cost, steps := s.align(parts)
	if total := cost[len(parts)][len(s.words)]; total == 0 || total > len(parts)*costMissingValue {
		return "", false
	}
	text := s.message.rest
	i, j := len(parts), len(s.words)
	for i > 0 || j > 0 {
		switch steps[i][j] {
		case stepWord:
			i, j = i-1, j-1
			w := s.words[j]
			text = text[:w.start] + parts[i].word + text[w.end:]
		case stepGapNone:
			i--
			if parts[i].optional {
				continue
			}
			at := len(text) - 1
			if j < len(s.words) {
				at = s.words[j].start
			}
			text = strings.TrimRight(text[:at], " ") + " " + marker + " " + text[at:]
		case stepGapFirst:
			i, j = i-1, j-1
		case stepGapMore:
			j--
		default: // a word is missing or too many
			return "", false
		}
	}
	return strings.TrimSpace(text) + s.message.tail, true
}
