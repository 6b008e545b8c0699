package workflow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Statuses tell how tasks stand in a drawing; Unset or "" for those not reached.
type Statuses func(task string) Status

// Tree draws the graph as an indented text, each task once: where another way leads
// to it, it is only named. statuses may be nil.
func (g *Graph) Tree(statuses Statuses) string {
	var b strings.Builder
	drawn := map[string]bool{}
	var walk func(n *Node, indent string)
	walk = func(n *Node, indent string) {
		drawn[n.Name] = true
		out := n.drawn()
		for i, e := range out {
			branch, under := "├─ ", "│  "
			if i == len(out)-1 {
				branch, under = "└─ ", "   "
			}
			to := g.Nodes[e.To]
			b.WriteString(indent + branch + e.label() + " → ")
			if drawn[e.To] && !to.Command {
				b.WriteString(e.To + " (above)\n")
				continue
			}
			b.WriteString(to.caption(statuses) + "\n")
			walk(to, indent+under)
		}
	}
	for _, name := range g.Roots {
		n := g.Nodes[name]
		b.WriteString(n.caption(statuses) + "\n")
		walk(n, "")
	}
	return b.String()
}

// drawn lists the edges of a node but those to continue, which lead nowhere.
func (n *Node) drawn() []*Edge {
	return slices.DeleteFunc(slices.Clone(n.Out), func(e *Edge) bool { return e.To == CommandContinue })
}

// label is the condition of an edge for people.
func (e *Edge) label() string {
	switch when, _, _ := strings.Cut(strings.TrimPrefix(e.When, "\x00"), " "); {
	case e.When == "":
		return "always"
	case strings.HasPrefix(e.When, "\x00"):
		return when // of a chain
	}
	for _, word := range []string{"succeeded", "failed", "completed"} {
		if e.When == "<% "+word+"() %>" || e.When == "{{ "+word+"() }}" {
			return word
		}
	}
	return e.When
}

func (n *Node) caption(statuses Statuses) string {
	out := n.Name
	if statuses != nil {
		if s := statuses(n.Name); s != "" && s != Unset {
			out += " [" + string(s) + "]"
		}
	}
	return strings.TrimRight(out+"  "+strings.Join(n.notes(), ", "), " ")
}

// notes tell what a task does besides being there.
func (n *Node) notes() []string {
	var out []string
	if n.Task == nil {
		return nil
	}
	if n.Task.Action != "" {
		out = append(out, n.Task.Action)
	}
	switch {
	case n.Join == JoinAll:
		out = append(out, "join all")
	case n.Join > 0:
		out = append(out, "join "+strconv.Itoa(n.Join))
	}
	if w := n.Task.With; w != nil {
		out = append(out, "with "+w.Items)
	}
	if n.Retry != nil {
		out = append(out, fmt.Sprintf("retry %v", n.Retry.Count))
	}
	return out
}

// Mermaid draws the graph in the language of Mermaid's flowcharts. statuses may be
// nil.
func (g *Graph) Mermaid(statuses Statuses) string {
	var b strings.Builder
	b.WriteString("flowchart TD\n")
	ids := map[string]string{}
	for i, name := range g.Order {
		n := g.Nodes[name]
		if name == CommandContinue {
			continue
		}
		ids[name] = "n" + strconv.Itoa(i)
		text := escapeMermaid(strings.Join(append([]string{name}, n.notes()...), "\n"))
		open, shut := `["`, `"]`
		if n.Command {
			open, shut = `(["`, `"])`
		} else if n.barrier() {
			open, shut = `{{"`, `"}}`
		}
		b.WriteString("  " + ids[name] + open + text + shut + "\n")
	}
	for _, name := range g.Order {
		for _, e := range g.Nodes[name].drawn() {
			arrow := " --> "
			if e.When != "" {
				arrow = ` -->|"` + escapeMermaid(e.label()) + `"| `
			}
			b.WriteString("  " + ids[e.From] + arrow + ids[e.To] + "\n")
		}
	}
	if statuses == nil {
		return b.String()
	}
	for _, name := range g.Order {
		if s := statuses(name); s != "" && s != Unset && ids[name] != "" {
			b.WriteString("  class " + ids[name] + " " + string(s) + "\n")
		}
	}
	b.WriteString("  classDef succeeded fill:#d5f0d5,stroke:#2e7d32\n  classDef failed fill:#f8d7d7,stroke:#c62828\n  classDef running fill:#d7e6f8,stroke:#1565c0\n")
	return b.String()
}

func escapeMermaid(s string) string {
	return strings.NewReplacer("&", "#amp;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "\n", "<br/>").Replace(s)
}
