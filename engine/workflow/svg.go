package workflow

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Measures of an SVG drawing, in pixels.
const (
	svgChar   = 7  // a character of the font
	svgHeight = 44 // a box
	svgGap    = 40 // between boxes beside each other
	svgStep   = 96 // from one row to the next
	svgMargin = 16
)

// svgColours are the fill and the border of a box by the status of its task.
var svgColours = map[Status][2]string{
	"succeeded": {"#d5f0d5", "#2e7d32"},
	"failed":    {"#f8d7d7", "#c62828"}, "timeout": {"#f8d7d7", "#c62828"}, "abandoned": {"#f8d7d7", "#c62828"},
	"running": {"#d7e6f8", "#1565c0"}, "retrying": {"#d7e6f8", "#1565c0"}, "delayed": {"#d7e6f8", "#1565c0"},
	"paused": {"#fdf0cf", "#a06a00"}, "pausing": {"#fdf0cf", "#a06a00"}, "pending": {"#fdf0cf", "#a06a00"},
	"canceled": {"#e4e4e4", "#616161"}, "canceling": {"#e4e4e4", "#616161"},
}

type svgBox struct {
	x, y, width int
	lines       []string
}

// SVG draws the graph as a picture of its own: a row for each step away from the
// first tasks. statuses may be nil.
func (g *Graph) SVG(statuses Statuses) string {
	rows := g.rows()
	boxes := map[string]*svgBox{}
	width := 0
	for y, row := range rows {
		x := svgMargin
		for _, name := range row {
			box := &svgBox{x: x, y: svgMargin + y*svgStep, lines: g.Nodes[name].boxText(statuses)}
			for _, line := range box.lines {
				box.width = max(box.width, svgChar*utf8.RuneCountInString(line)+20)
			}
			boxes[name] = box
			x += box.width + svgGap
		}
		width = max(width, x-svgGap+svgMargin)
	}
	for _, row := range rows { // centred
		last := boxes[row[len(row)-1]]
		shift := (width - svgMargin - last.x - last.width) / 2
		for _, name := range row {
			boxes[name].x += shift
		}
	}
	width += 120 // for ways back, which go round on the right
	height := len(rows)*svgStep - svgStep + svgHeight + 2*svgMargin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="monospace" font-size="12">`+"\n", width, height, width, height)
	b.WriteString(`<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>` + "\n")
	for _, name := range g.Order {
		for _, e := range g.Nodes[name].drawn() {
			drawEdge(&b, e, boxes[e.From], boxes[e.To], width)
		}
	}
	for _, name := range g.Order {
		if box := boxes[name]; box != nil {
			g.Nodes[name].draw(&b, box, statuses)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// rows places every node one row below the last of those that lead to it, ways
// back not counted.
func (g *Graph) rows() [][]string {
	depth := map[string]int{}
	onWay := map[string]bool{}
	var walk func(name string, at int)
	walk = func(name string, at int) {
		if onWay[name] {
			return
		}
		if known, ok := depth[name]; ok && known >= at {
			return
		}
		depth[name] = at
		onWay[name] = true
		for _, e := range g.Nodes[name].drawn() {
			walk(e.To, at+1)
		}
		onWay[name] = false
	}
	for _, root := range g.Roots {
		walk(root, 0)
	}
	var rows [][]string
	for _, name := range g.Order {
		at, ok := depth[name]
		if !ok {
			continue // continue, which leads nowhere
		}
		for len(rows) <= at {
			rows = append(rows, nil)
		}
		rows[at] = append(rows[at], name)
	}
	return slices.DeleteFunc(rows, func(row []string) bool { return len(row) == 0 })
}

func (n *Node) boxText(statuses Statuses) []string {
	first := n.Name
	if statuses != nil {
		if s := statuses(n.Name); s != "" && s != Unset {
			first += " · " + string(s)
		}
	}
	notes := strings.Join(n.notes(), ", ")
	if r := []rune(notes); len(r) > 44 {
		notes = string(r[:43]) + "…"
	}
	if notes == "" {
		return []string{first}
	}
	return []string{first, notes}
}

func (n *Node) draw(b *strings.Builder, box *svgBox, statuses Statuses) {
	fill, border, round := "#ffffff", "#555555", 4
	if statuses != nil {
		if c, ok := svgColours[statuses(n.Name)]; ok {
			fill, border = c[0], c[1]
		}
	}
	if n.Command {
		round = svgHeight / 2
	}
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" rx="%d" fill="%s" stroke="%s"/>`+"\n", box.x, box.y, box.width, svgHeight, round, fill, border)
	y := box.y + svgHeight/2 + 4 - 8*(len(box.lines)-1)
	for i, line := range box.lines {
		weight := ""
		if i == 0 {
			weight = ` font-weight="bold"`
		}
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle"%s>%s</text>`+"\n", box.x+box.width/2, y+16*i, weight, escapeXML(line))
	}
}

func drawEdge(b *strings.Builder, e *Edge, from, to *svgBox, width int) {
	if from == nil || to == nil {
		return
	}
	x1, y1, x2, y2 := from.x+from.width/2, from.y+svgHeight, to.x+to.width/2, to.y
	path := fmt.Sprintf("M%d %dL%d %d", x1, y1, x2, y2)
	labelX, labelY := (x1+x2)/2, (y1+y2)/2
	if y2 <= y1 { // a way back
		path = fmt.Sprintf("M%d %dC%d %d %d %d %d %d", from.x+from.width, from.y+svgHeight/2, width-20, from.y, width-20, to.y+svgHeight, to.x+to.width, to.y+svgHeight/2)
		labelX, labelY = width-100, (from.y+to.y)/2+svgHeight/2
	}
	fmt.Fprintf(b, `<path d="%s" fill="none" stroke="#555" marker-end="url(#tip)"/>`+"\n", path)
	if e.When != "" {
		label := e.label()
		if r := []rune(label); len(r) > 32 {
			label = string(r[:31]) + "…"
		}
		fmt.Fprintf(b, `<text x="%d" y="%d" font-size="10" fill="#333" text-anchor="middle">%s</text>`+"\n", labelX, labelY, escapeXML(label))
	}
}

func escapeXML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
