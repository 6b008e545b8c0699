package aliases

import (
	"slices"
	"strings"
)

// index finds the few patterns that a message can fit by its first words, and among many with the same first words by another word they need,
// so that the number of aliases hardly matters.
type index struct {
	root  wordNode
	loose bucket // patterns that may begin with anything
}

// wordNode is a node of a tree whose edges are the words a message begins with, in folded case.
type wordNode struct {
	next map[string]*wordNode
	here bucket
}

// bucket holds the patterns of one place in the index.
type bucket struct {
	entries []int            // tried for every message that gets here
	byWord  map[string][]int // tried when the message has the word, in folded case
}

// smallBucket is the number of patterns up to which it does not pay to look at further words.
const smallBucket = 8

func (t *Table) buildIndex() {
	for i, e := range t.entries {
		x := &t.ordinary
		if e.format.multiple {
			x = &t.multiple
		}
		beginnings := e.format.shape.prefixes()
		if len(beginnings) == 0 {
			x.loose.entries = append(x.loose.entries, i)
		}
		for _, words := range beginnings {
			x.root.add(words, i)
		}
	}
	for _, x := range []*index{&t.ordinary, &t.multiple} {
		x.loose.divide(t.entries)
		x.root.divide(t.entries)
	}
}

func (n *wordNode) add(words []string, entry int) {
	for _, word := range words {
		word = fold(word)
		if n.next == nil {
			n.next = map[string]*wordNode{}
		}
		child := n.next[word]
		if child == nil {
			child = &wordNode{}
			n.next[word] = child
		}
		n = child
	}
	if !slices.Contains(n.here.entries, entry) {
		n.here.entries = append(n.here.entries, entry)
	}
}

func (n *wordNode) divide(entries []entry) {
	n.here.divide(entries)
	for _, child := range n.next {
		child.divide(entries)
	}
}

// divide files each pattern of a large bucket under the word it needs that the fewest others need.
func (b *bucket) divide(entries []entry) {
	if len(b.entries) <= smallBucket {
		return
	}
	needs, frequency := make([][]string, len(b.entries)), map[string]int{}
	for k, i := range b.entries {
		for _, word := range entries[i].format.shape.words() {
			word = fold(word)
			needs[k] = append(needs[k], word)
			frequency[word]++
		}
	}
	var rest []int
	b.byWord = map[string][]int{}
	for k, i := range b.entries {
		if len(needs[k]) == 0 {
			rest = append(rest, i)
			continue
		}
		rarest := slices.MinFunc(needs[k], func(a, b string) int { return frequency[a] - frequency[b] })
		b.byWord[rarest] = append(b.byWord[rarest], i)
	}
	b.entries = rest
}

// collect appends what a message with these words may fit.
func (b *bucket) collect(found []int, words func() []string) []int {
	found = append(found, b.entries...)
	if len(b.byWord) > 0 {
		for _, word := range words() {
			found = append(found, b.byWord[word]...)
		}
	}
	return found
}

// candidates returns the patterns that the message has the words for, in the order of the table. The first words of a pattern are exactly one
// blank apart, as the blanks of a format match literally; white space in front of the message does not count.
func (x *index) candidates(m *message) []int {
	var split []string
	words := func() []string {
		if split == nil {
			split = strings.FieldsFunc(m.folded, isSpace)
		}
		return split
	}
	found := x.loose.collect(nil, words)
	text := strings.TrimLeftFunc(m.folded, isSpace)
	node := &x.root
	for node.next != nil {
		end := strings.IndexFunc(text, isSpace)
		if end < 0 {
			end = len(text)
		}
		if node = node.next[text[:end]]; node == nil {
			break
		}
		found = node.here.collect(found, words)
		if end >= len(text) || text[end] != ' ' {
			break
		}
		text = text[end+1:]
	}
	slices.Sort(found)
	return slices.Compact(found)
}
