package aliases

import "slices"

// index finds the few patterns that a message can fit by its first words, so that the number of aliases hardly matters.
type index struct {
	root  wordNode
	loose []int // patterns that may begin with anything
}

// wordNode is a node of a tree whose edges are the words a message begins with, in folded case.
type wordNode struct {
	next    map[string]*wordNode
	entries []int
}

func (t *Table) buildIndex() {
	for i, e := range t.entries {
		x := &t.ordinary
		if e.format.multiple {
			x = &t.multiple
		}
		beginnings := e.format.shape.prefixes()
		if len(beginnings) == 0 {
			x.loose = append(x.loose, i)
		}
		for _, words := range beginnings {
			x.root.add(words, i)
		}
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
	if !slices.Contains(n.entries, entry) {
		n.entries = append(n.entries, entry)
	}
}

// candidates returns the patterns whose beginning the message has, in the order of the table. Words of a pattern are exactly one blank
// apart, as the blanks of a format match literally; white space in front of the message does not count.
func (x *index) candidates(m *message) []int {
	found := slices.Clone(x.loose)
	text := m.folded
	for i, r := range text {
		if !isSpace(r) {
			text = text[i:]
			break
		}
	}
	node := &x.root
	for node.next != nil {
		end := len(text)
		for i, r := range text {
			if isSpace(r) {
				end = i
				break
			}
		}
		if node = node.next[text[:end]]; node == nil {
			break
		}
		found = append(found, node.entries...)
		if end >= len(text) || text[end] != ' ' {
			break
		}
		text = text[end+1:]
	}
	slices.Sort(found)
	return slices.Compact(found)
}
