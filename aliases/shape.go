package aliases

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A shape is the outline of a format's expression: what is literal, what repeats, where it is anchored. It serves the index, the ranking, the
// suggestions and the checks; matching itself is the regular expression's.
type shape struct {
	nodes []node
	// anchoredStart and anchoredEnd: the author's own anchors, found by StackStorm's rule, so that none is added.
	anchoredStart, anchoredEnd bool
	flagged                    bool // inline flags hold for the whole expression, so literals may not be literal
	// fault is what Python would refuse and the engine in use would not, or only with an obscure message.
	fault string
	names []string // of the author's own groups
}

type nodeKind uint8

const (
	nodeLiteral     nodeKind = iota // the character char
	nodeAny                         // one character out of several, char is an example
	nodeSpace                       // one white-space character
	nodeStart                       // ^ or \A
	nodeEnd                         // $ or \Z
	nodeZero                        // takes no text: \b, look-around, comments, flags
	nodeOpaque                      // any text
	nodeGroup                       // subs in a row
	nodeAlt                         // one of subs, each a nodeGroup
	nodeRepeat                      // subs[0], from min to max times
	nodePlaceholder                 // a placeholder of the format
)

const unbounded = 1 << 20

type node struct {
	kind        nodeKind
	char        rune
	min, max    int
	subs        []node
	placeholder *Placeholder
}

// newShape reads the outline of the segments of a format. It is lenient: an expression that is wrong is refused by the engine that compiles it.
func newShape(segments []segment) shape {
	p := &shapeParser{}
	for _, s := range segments {
		if s.placeholder == nil {
			for _, r := range s.text {
				p.items = append(p.items, shapeItem{char: r})
			}
			continue
		}
		unit := []node{}
		for _, r := range s.lead {
			unit = append(unit, node{kind: nodeLiteral, char: r})
		}
		unit = append(unit, node{kind: nodePlaceholder, placeholder: s.placeholder})
		if s.placeholder.Optional {
			unit = []node{{kind: nodeRepeat, min: 0, max: 1, subs: []node{{kind: nodeGroup, subs: unit}}}}
		}
		p.items = append(p.items, shapeItem{unit: unit})
	}
	sh := shape{nodes: p.sequence(0)}
	sh.flagged, sh.fault, sh.names = p.flagged, p.fault, p.names
	sh.anchoredStart = hasAnchor(sh.nodes, nodeStart)
	sh.anchoredEnd = hasAnchor(sh.nodes, nodeEnd)
	return sh
}

// hasAnchor looks for an anchor as StackStorm does: in groups, but not in repetitions or look-around, and of an alternation in the second
// branch only.
func hasAnchor(nodes []node, kind nodeKind) bool {
	for _, n := range nodes {
		switch {
		case n.kind == kind,
			n.kind == nodeGroup && hasAnchor(n.subs, kind),
			n.kind == nodeAlt && hasAnchor(n.subs[1].subs, kind):
			return true
		}
	}
	return false
}

// shapeItem is one character of the expression, or a placeholder already read.
type shapeItem struct {
	char rune
	unit []node
}

type shapeParser struct {
	items   []shapeItem
	at      int
	flagged bool
	fault   string
	names   []string
}

// maxDepth bounds the nesting of groups that is looked into.
const maxDepth = 64

// peek returns the character at the position, or 0 at the end and at a placeholder.
func (p *shapeParser) peek() rune {
	if p.at < len(p.items) && p.items[p.at].unit == nil {
		return p.items[p.at].char
	}
	return 0
}

func (p *shapeParser) accept(text string) bool {
	at := p.at
	for _, r := range text {
		if p.peek() != r {
			p.at = at
			return false
		}
		p.at++
	}
	return true
}

// sequence reads up to the closing parenthesis of the group it is in, or to the end.
func (p *shapeParser) sequence(depth int) []node {
	branches := []node{{kind: nodeGroup}}
	for p.at < len(p.items) && (depth == 0 || p.peek() != ')') {
		if p.accept("|") {
			branches = append(branches, node{kind: nodeGroup})
			continue
		}
		branch := &branches[len(branches)-1]
		if unit := p.items[p.at].unit; unit != nil {
			p.at++
			branch.subs = append(branch.subs, p.repeated(unit)...)
			continue
		}
		branch.subs = append(branch.subs, p.repeated([]node{p.atom(depth)})...)
	}
	if len(branches) == 1 {
		return branches[0].subs
	}
	return []node{{kind: nodeAlt, subs: branches}}
}

// repeated reads the quantifiers after a unit; they bind to its last node.
func (p *shapeParser) repeated(unit []node) []node {
	for {
		low, high, ok := p.quantifier()
		if !ok {
			return unit
		}
		if !p.accept("?") {
			p.accept("+")
		}
		last := len(unit) - 1
		if unit[last].kind == nodeStart || unit[last].kind == nodeEnd {
			p.fault = cmp.Or(p.fault, "an anchor (^, $, \\A or \\Z) cannot be repeated; write a backslash in front of it if the character itself is meant")
		}
		unit = append(unit[:last:last], node{kind: nodeRepeat, min: low, max: high, subs: []node{unit[last]}})
	}
}

func (p *shapeParser) quantifier() (low, high int, ok bool) {
	switch {
	case p.accept("*"):
		return 0, unbounded, true
	case p.accept("+"):
		return 1, unbounded, true
	case p.accept("?"):
		return 0, 1, true
	}
	at := p.at
	if !p.accept("{") {
		return 0, 0, false
	}
	low, lowGiven := p.number()
	high, comma := low, p.accept(",")
	if comma {
		var highGiven bool
		if high, highGiven = p.number(); !highGiven {
			high = unbounded
		}
	}
	if !p.accept("}") || (!lowGiven && !comma) {
		p.at = at
		return 0, 0, false
	}
	return low, high, true
}

func (p *shapeParser) number() (n int, given bool) {
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		n, given = min(n*10+int(c-'0'), unbounded), true
		p.at++
	}
	return n, given
}

// atom reads one character, class, escape or group.
func (p *shapeParser) atom(depth int) node {
	c := p.peek()
	p.at++
	switch c {
	case '.':
		return node{kind: nodeAny, char: 'x'}
	case '^':
		return node{kind: nodeStart}
	case '$':
		return node{kind: nodeEnd}
	case '\\':
		return p.escape()
	case '[':
		return p.class()
	case '(':
		return p.group(depth)
	case '*', '+', '?':
		p.fault = cmp.Or(p.fault, fmt.Sprintf("there is nothing in front of %q to repeat; write \\%c if the character itself is meant", c, c))
	}
	return node{kind: nodeLiteral, char: c}
}

func (p *shapeParser) escape() node {
	c := p.peek()
	if p.at++; c == 0 {
		return node{kind: nodeZero}
	}
	switch c {
	case 'd':
		return node{kind: nodeAny, char: '7'}
	case 'w', 'D':
		return node{kind: nodeAny, char: 'x'}
	case 'W':
		return node{kind: nodeAny, char: '-'}
	case 'S':
		return node{kind: nodeAny, char: 'x'}
	case 's':
		return node{kind: nodeSpace, char: ' '}
	case 'A':
		return node{kind: nodeStart}
	case 'Z':
		return node{kind: nodeEnd}
	case 'b', 'B':
		return node{kind: nodeZero}
	case 'n', 't', 'r', 'f', 'v', 'a', 'x', 'u', 'U', 'N', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		// Control characters, code points and back-references: rare in commands, not worth an exact reading.
		return node{kind: nodeOpaque}
	}
	return node{kind: nodeLiteral, char: c}
}

// class reads a character set and keeps an example of it.
func (p *shapeParser) class() node {
	negated := p.accept("^")
	members := []rune{}
	for first := true; p.at < len(p.items) && (first || p.peek() != ']'); first = false {
		c := p.peek()
		p.at++
		if c == '\\' {
			p.at--
			c = p.atom(maxDepth).char
		}
		if c != 0 {
			members = append(members, c)
		}
	}
	p.at++
	if !negated {
		if len(members) == 0 {
			return node{kind: nodeOpaque}
		}
		return node{kind: nodeAny, char: members[0]}
	}
	for _, c := range "xX7-_z" {
		if !strings.ContainsRune(string(members), c) {
			return node{kind: nodeAny, char: c}
		}
	}
	return node{kind: nodeOpaque}
}

// group reads what follows an opening parenthesis.
func (p *shapeParser) group(depth int) node {
	if depth >= maxDepth {
		p.at = len(p.items)
		return node{kind: nodeOpaque}
	}
	kind := nodeGroup
	switch {
	case p.accept("?:"):
	case p.accept("?P<"):
		p.groupName()
	case p.accept("?P="):
		kind = nodeOpaque
	case p.accept("?("):
		p.skipPast(')')
		kind = nodeOpaque
	case p.accept("?="), p.accept("?!"), p.accept("?<="), p.accept("?<!"), p.accept("?#"):
		kind = nodeZero
	case p.accept("?>"):
		kind = nodeRepeat // a group whose anchors do not count
	case p.accept("?"):
		return p.flags(depth)
	}
	subs := p.sequence(depth + 1)
	p.accept(")")
	switch kind {
	case nodeGroup:
		return node{kind: nodeGroup, subs: subs}
	case nodeRepeat:
		return node{kind: nodeRepeat, min: 1, max: 1, subs: []node{{kind: nodeGroup, subs: subs}}}
	}
	return node{kind: kind}
}

// flags reads `(?i)` and `(?i:...)`. Under flags the literals may mean something else, so the group counts as any text; its anchors count.
func (p *shapeParser) flags(depth int) node {
	atStart := p.at == 2
	for p.at < len(p.items) {
		switch p.peek() {
		case ')':
			p.at++
			p.flagged = true
			if !atStart {
				p.fault = cmp.Or(p.fault, "flags for the whole expression may only stand at its very beginning; write (?i:...) around the text they are for")
			}
			return node{kind: nodeZero}
		case ':':
			p.at++
			subs := p.sequence(depth + 1)
			p.accept(")")
			return node{kind: nodeGroup, subs: append(opaque(subs), node{kind: nodeOpaque})}
		}
		p.at++
	}
	return node{kind: nodeOpaque}
}

// opaque keeps only the anchors of nodes.
func opaque(nodes []node) []node {
	var kept []node
	for _, kind := range []nodeKind{nodeStart, nodeEnd} {
		if hasAnchor(nodes, kind) {
			kept = append(kept, node{kind: kind})
		}
	}
	return kept
}

func (p *shapeParser) groupName() {
	from := p.at
	p.skipPast('>')
	name := ""
	for _, item := range p.items[from:max(from, min(p.at, len(p.items))-1)] {
		name += string(item.char)
	}
	if slices.Contains(p.names, name) {
		p.fault = cmp.Or(p.fault, fmt.Sprintf("the group (?P<%s>...) is there twice; give the second one another name", name))
	}
	p.names = append(p.names, name)
}

func (p *shapeParser) skipPast(c rune) {
	for p.at < len(p.items) && p.peek() != c {
		p.at++
	}
	p.at++
}
