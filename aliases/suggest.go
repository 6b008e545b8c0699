package aliases

import (
	"cmp"
	"slices"
	"strings"
)

// Suggestion is an alias that comes near to a message that fits none.
type Suggestion struct {
	Alias   *Definition // shared, must not be changed
	Display string      // what help shows for the pattern, else the pattern
	// Text is the message with its literal words put right. It is a whole command only when Runnable is set; otherwise something is missing.
	Text     string
	Runnable bool
	Distance int // how far the message is from the pattern; 0 = letter case only
}

// String is what to offer: the corrected command, or the pattern when the command is incomplete.
func (s Suggestion) String() string {
	if s.Runnable {
		return s.Text
	}
	return s.Display
}

// Costs of an alignment, in letters typed wrong.
const (
	costMissingValue = 1 // a required value is not there
	costMissingWord  = 3 // a literal word after the first is not there
	costExtraWord    = 3 // a word that nothing takes
	impossible       = 1 << 20
	maxWords         = 24 // words of a message that are looked at
)

// Suggest returns up to limit aliases nearest to the message, by the number of letters in which their literal words differ from it.
func (t *Table) Suggest(msg string, limit int) []Suggestion {
	m := newMessage(msg)
	words := wordSpans(m.rest)
	if len(words) == 0 || limit <= 0 {
		return nil
	}
	s := suggester{message: m, words: words[:min(len(words), maxWords)], distances: map[[2]string]int{}}
	best := map[int]Suggestion{} // by alias
	for i := range t.entries {
		e := &t.entries[i]
		if e.format.multiple {
			continue
		}
		for _, parts := range e.format.parts {
			found, ok := s.compare(parts, e.format.options.CaseInsensitive)
			if old, seen := best[e.alias]; !ok || (seen && old.Distance <= found.Distance) {
				continue
			}
			found.Alias, found.Display = &t.definitions[e.alias], cmp.Or(e.display, e.format.source)
			best[e.alias] = found
		}
	}
	var list []Suggestion
	for _, found := range best {
		list = append(list, found)
	}
	slices.SortFunc(list, func(a, b Suggestion) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), strings.Compare(a.Alias.Ref, b.Alias.Ref))
	})
	list = list[:min(len(list), limit)]
	for i := range list {
		matches, err := t.Match(list[i].Text)
		list[i].Runnable = err == nil && len(matches) > 0 && matches[0].Alias == list[i].Alias &&
			(len(matches) == 1 || !matches[1].SameRank(matches[0]))
	}
	return list
}

// span is one word of the message and where it stands in message.rest.
type span struct {
	text, folded string
	start, end   int
}

func wordSpans(text string) []span {
	var words []span
	start := -1
	for i, r := range text {
		switch {
		case isSpace(r) && start >= 0:
			words = append(words, span{text[start:i], fold(text[start:i]), start, i})
			start = -1
		case !isSpace(r) && start < 0:
			start = i
		}
	}
	return words // the text ends in a blank, so the last word is complete
}

type suggester struct {
	message   *message
	words     []span
	exact     bool // words differ in letter case at most
	distances map[[2]string]int
}

// step is how a cell of the alignment was reached.
type step uint8

const (
	stepNone step = iota
	stepWord
	stepMissing
	stepGapFirst // a gap takes its first word
	stepGapMore  // and further ones
	stepGapNone  // or nothing
	stepExtra
)

// compare aligns the words of the message with the parts of a pattern at the least cost. It says no when the first words have nothing in
// common or the whole is too far off.
func (s *suggester) compare(parts []part, ignoreCase bool) (Suggestion, bool) {
	letters := 0
	for _, p := range parts {
		letters += len(p.word)
	}
	if letters == 0 || (parts[0].word != "" && s.distance(parts[0].word, s.words[0].folded) == impossible) {
		return Suggestion{}, false
	}
	cost, steps := s.align(parts)
	total := cost[len(parts)][len(s.words)]
	if total > 2+letters/4 {
		return Suggestion{}, false
	}
	text, shared := s.correct(parts, steps, ignoreCase)
	return Suggestion{Distance: total, Text: text}, shared > 0
}

// align fills the table of least costs: cost[i][j] is that of the first i parts with the first j words.
func (s *suggester) align(parts []part) (cost [][]int, steps [][]step) {
	n, k := len(parts), len(s.words)
	cost, steps = make([][]int, n+1), make([][]step, n+1)
	for i := range cost {
		cost[i], steps[i] = make([]int, k+1), make([]step, k+1)
		for j := range cost[i] {
			cost[i][j] = impossible
		}
	}
	cost[0][0] = 0
	for i := 0; i <= n; i++ {
		for j := 0; j <= k; j++ {
			here := cost[i][j]
			if here >= impossible {
				continue
			}
			reach := func(di, dj, extra int, how step) {
				if i+di <= n && j+dj <= k && here+extra < cost[i+di][j+dj] {
					cost[i+di][j+dj], steps[i+di][j+dj] = here+extra, how
				}
			}
			if i > 0 {
				if parts[i-1].word == "" && steps[i][j] != stepGapNone {
					reach(0, 1, 0, stepGapMore)
				}
				reach(0, 1, costExtraWord, stepExtra)
			}
			if i == n {
				continue
			}
			switch p := parts[i]; {
			case p.word == "":
				reach(1, 1, 0, stepGapFirst)
				missing := costMissingValue
				if p.optional {
					missing = 0
				}
				reach(1, 0, missing, stepGapNone)
			default:
				if j < k {
					reach(1, 1, s.distance(p.word, s.words[j].folded), stepWord)
				}
				if i > 0 {
					reach(1, 0, costMissingWord, stepMissing)
				}
			}
		}
	}
	return cost, steps
}

// correct writes the message with the literal words of the pattern in place of those it was aligned with, and counts these.
func (s *suggester) correct(parts []part, steps [][]step, ignoreCase bool) (text string, shared int) {
	text = s.message.rest
	i, j := len(parts), len(s.words)
	for i > 0 || j > 0 {
		switch steps[i][j] {
		case stepWord:
			i, j, shared = i-1, j-1, shared+1
			if w := s.words[j]; !ignoreCase || w.folded != fold(parts[i].word) {
				text = text[:w.start] + parts[i].word + text[w.end:]
			}
		case stepMissing:
			i--
			at := len(text) - 1
			if j < len(s.words) {
				at = s.words[j].start
			}
			text = strings.TrimRight(text[:at], " ") + " " + parts[i].word + " " + text[at:]
		case stepGapFirst:
			i, j = i-1, j-1
		case stepGapNone:
			i--
		case stepGapMore, stepExtra:
			j--
		default:
			return strings.TrimSpace(text), shared
		}
	}
	return strings.TrimSpace(strings.TrimSpace(text) + s.message.tail), shared
}

// distance is the number of letters that differ between a word of a pattern and a folded word of the message, or impossible when they are
// too many for a word of that length to be a slip of the fingers.
func (s *suggester) distance(word, typed string) int {
	key := [2]string{word, typed}
	if d, ok := s.distances[key]; ok {
		return d
	}
	a, b := []rune(fold(word)), []rune(typed)
	allowed := min(3, (len(a)+1)/3)
	switch {
	case s.exact:
		allowed = 0
	case len(a) == 3:
		allowed = 1
	}
	d := impossible
	if diff := len(a) - len(b); diff <= allowed && -diff <= allowed {
		if n := editDistance(a, b); n <= allowed {
			d = n
		}
	}
	s.distances[key] = d
	return d
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours.
func editDistance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
