package aliases

import (
	"slices"
	"strings"
)

// maxPrefixes bounds how many beginnings one format may have in the index; a format with more is tried against every message.
const maxPrefixes = 16

// prefix is a literal beginning of a format.
type prefix struct {
	text   string
	closed bool // something that is not literal follows
}

// prefixes returns the literal beginnings that a message must have, as lists of words, or nil when the format can begin with anything.
// Optional parts and alternatives give several: `(run|execute) {{cmd}}` begins with run or with execute.
func (s shape) prefixes() [][]string {
	nodes := s.nodes
	if s.flagged || len(nodes) > 0 && nodes[0].kind == nodeAlt {
		return nil // under flags letters may mean others; of an alternation the anchors that are added bind to the first and to the last branch only
	}
	if s.anchoredStart {
		if len(nodes) == 0 || nodes[0].kind != nodeStart {
			return nil // anchored in one branch of a group only: it may start anywhere
		}
		nodes = nodes[1:]
	}
	found, ok := expandPrefixes(nodes, []prefix{{}})
	if !ok {
		return nil
	}
	endsThere := !s.anchoredEnd || (len(nodes) > 0 && nodes[len(nodes)-1].kind == nodeEnd)
	var words [][]string
	for _, p := range found {
		text := strings.TrimLeft(p.text, " ")
		if p.closed || !endsThere {
			text = text[:strings.LastIndexByte(text, ' ')+1] // the last word may go on
		}
		text = strings.TrimRight(text, " ")
		if text == "" {
			return nil
		}
		if list := strings.Split(text, " "); !slices.ContainsFunc(words, func(o []string) bool { return slices.Equal(o, list) }) {
			words = append(words, list)
		}
	}
	return words
}

// expandPrefixes lengthens each open beginning by what the nodes say; false when there are too many.
func expandPrefixes(nodes []node, in []prefix) ([]prefix, bool) {
	for _, n := range nodes {
		var ok bool
		if in, ok = expandNode(n, in); !ok || len(in) > maxPrefixes {
			return nil, false
		}
	}
	return in, true
}

func expandNode(n node, in []prefix) ([]prefix, bool) {
	switch n.kind {
	case nodeLiteral:
		if n.char != ' ' && isSpace(n.char) {
			return closePrefixes(in, ""), true
		}
		out := make([]prefix, len(in))
		for i, p := range in {
			if !p.closed {
				p.text += string(n.char)
			}
			out[i] = p
		}
		return out, true
	case nodeSpace:
		return closePrefixes(in, " "), true // a word ends here, with whatever white space
	case nodeZero, nodeStart, nodeEnd:
		return in, true
	case nodeGroup:
		return expandPrefixes(n.subs, in)
	case nodeAlt:
		var out []prefix
		for _, branch := range n.subs {
			more, ok := expandPrefixes(branch.subs, in)
			if !ok {
				return nil, false
			}
			out = append(out, more...)
		}
		return out, true
	case nodeRepeat:
		return expandRepeat(n, in)
	}
	return closePrefixes(in, ""), true
}

func expandRepeat(n node, in []prefix) ([]prefix, bool) {
	atStart := !slices.ContainsFunc(in, func(p prefix) bool { return p.text != "" || p.closed })
	if atStart && n.subs[0].kind == nodeSpace {
		return in, true // `^\s*`: blanks at the beginning of a message are skipped anyway
	}
	once, ok := expandNode(n.subs[0], in)
	if !ok {
		return nil, false
	}
	if n.max > 1 {
		once = closePrefixes(once, "")
	}
	if n.min == 0 {
		once = append(slices.Clone(in), once...)
	}
	return once, true
}

func closePrefixes(in []prefix, end string) []prefix {
	out := make([]prefix, len(in))
	for i, p := range in {
		if !p.closed {
			p.text, p.closed = p.text+end, true
		}
		out[i] = p
	}
	return out
}

// literals returns the stretches of text that every matching message holds, in order, each two characters or longer.
func (s shape) literals() []string {
	return slices.DeleteFunc(s.literalRuns(false), func(run string) bool { return len(run) < 2 })
}

// words returns the words that every matching message holds as whole words.
func (s shape) words() []string {
	var words []string
	for _, run := range s.literalRuns(true) {
		parts := strings.Split(run, " ")
		for i := 1; i < len(parts)-1; i++ { // what touches an end of the run may be part of a longer word
			if word := parts[i]; word != "" && !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
	}
	return words
}

// literalRuns returns the literal text of the parts that are always there, cut where something else comes between. For words, white space of
// any kind and the ends of the message are written as blanks.
func (s shape) literalRuns(forWords bool) []string {
	if s.flagged {
		return nil
	}
	var runs []string
	var run strings.Builder
	blank := func(there bool) {
		if forWords && there {
			run.WriteByte(' ')
		}
	}
	cut := func() {
		runs = append(runs, run.String())
		run.Reset()
	}
	var walk func(nodes []node)
	walk = func(nodes []node) {
		for _, n := range nodes {
			switch n.kind {
			case nodeLiteral:
				run.WriteRune(n.char)
			case nodeZero, nodeStart, nodeEnd:
			case nodeGroup:
				walk(n.subs)
			case nodeSpace:
				blank(true)
				cut()
				blank(true)
			case nodeRepeat:
				cut()
				if n.min > 0 {
					walk(n.subs)
					cut()
				}
			default:
				cut()
			}
		}
	}
	blank(!s.anchoredStart)
	walk(s.nodes)
	blank(!s.anchoredEnd)
	cut()
	return runs
}

// literalBounds returns how many literal characters a match holds at least and at most.
func literalBounds(nodes []node) (least, most int) {
	for _, n := range nodes {
		low, high := 0, 0
		switch n.kind {
		case nodeLiteral:
			low, high = 1, 1
		case nodeGroup:
			low, high = literalBounds(n.subs)
		case nodeRepeat:
			low, high = literalBounds(n.subs)
			low, high = low*min(n.min, 64), high*min(n.max, 64)
		case nodeAlt:
			low = unbounded
			for _, branch := range n.subs {
				l, h := literalBounds(branch.subs)
				low, high = min(low, l), max(high, h)
			}
		}
		least, most = min(least+low, unbounded), min(most+high, unbounded)
	}
	return least, most
}

// freeParts counts the parts that take text of the person's choice: placeholders, classes, repetitions of classes.
func freeParts(nodes []node) int {
	sum := 0
	for _, n := range nodes {
		switch n.kind {
		case nodeAny, nodeOpaque, nodePlaceholder:
			sum++
		case nodeGroup, nodeRepeat, nodeAlt:
			sum += freeParts(n.subs)
		}
	}
	return sum
}

// example writes a message that the format should match. full also fills the optional parts; free text becomes text.
func (s shape) example(text string, full bool) string {
	var b strings.Builder
	writeExample(&b, s.nodes, text, full, 0)
	return strings.Join(strings.Fields(b.String()), " ")
}

func writeExample(b *strings.Builder, nodes []node, text string, full bool, depth int) {
	for _, n := range nodes {
		switch n.kind {
		case nodeLiteral, nodeAny, nodeSpace:
			b.WriteRune(n.char)
		case nodePlaceholder:
			b.WriteString(text)
		case nodeGroup:
			writeExample(b, n.subs, text, full, depth)
		case nodeAlt:
			writeExample(b, n.subs[0].subs, text, full, depth)
		case nodeRepeat:
			times := min(n.min, 3)
			if depth > 3 {
				times = min(times, 1)
			}
			if full && times == 0 {
				times = 1
			}
			for range times {
				if b.Len() > 4096 {
					return
				}
				writeExample(b, n.subs, text, full, depth+1)
			}
		}
	}
}

// part is one word of a format as a suggestion compares it with a message.
type part struct {
	word     string // empty for a gap
	optional bool   // a gap that may be left out
}

// parts returns the literal words and gaps of the format in order, optional literals left out, for each of the first few alternatives.
func (s shape) parts() [][]part {
	b := partsBuilder{alternatives: [][]part{{}}}
	b.walk(s.nodes)
	b.endWord()
	return b.alternatives
}

type partsBuilder struct {
	alternatives [][]part
	word         strings.Builder
}

func (b *partsBuilder) walk(nodes []node) {
	for _, n := range nodes {
		switch n.kind {
		case nodeLiteral:
			if isSpace(n.char) {
				b.endWord()
				continue
			}
			b.word.WriteRune(n.char)
		case nodeSpace:
			b.endWord()
		case nodeGroup:
			b.walk(n.subs)
		case nodeAlt:
			b.endWord()
			b.alternatives = crossAlternatives(b.alternatives, n.subs)
		case nodeRepeat:
			switch {
			case n.min > 0:
				b.walk(n.subs)
			case freeParts(n.subs) > 0:
				b.gap(true)
			}
		case nodeAny, nodeOpaque, nodePlaceholder:
			b.gap(false)
		}
	}
}

func (b *partsBuilder) endWord() {
	if b.word.Len() == 0 {
		return
	}
	for i := range b.alternatives {
		b.alternatives[i] = append(b.alternatives[i], part{word: b.word.String()})
	}
	b.word.Reset()
}

// gap adds free text, joining it with free text right before.
func (b *partsBuilder) gap(optional bool) {
	b.endWord()
	for i, list := range b.alternatives {
		if k := len(list) - 1; k >= 0 && list[k].word == "" {
			list[k].optional = list[k].optional && optional
			continue
		}
		b.alternatives[i] = append(list, part{optional: optional})
	}
}

// crossAlternatives continues each list of parts with each branch, up to a small number in all.
func crossAlternatives(lists [][]part, branches []node) [][]part {
	var ends, out [][]part
	for _, branch := range branches {
		ends = append(ends, shape{nodes: branch.subs}.parts()...)
	}
	for _, list := range lists {
		for _, end := range ends {
			if len(out) < maxPrefixes {
				out = append(out, slices.Concat(list, end))
			}
		}
	}
	return out
}
