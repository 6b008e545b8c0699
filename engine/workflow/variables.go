package workflow

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"petrel/engine/expression"
)

// ctxUse finds ctx().x and ctx(x), quoted or not: the only uses of variables that
// an inspection knows.
var ctxUse = regexp.MustCompile(`\bctx\((?:\)\.([a-zA-Z0-9_-]+)\b|([a-zA-Z0-9_-]+)\)|'([a-zA-Z0-9_-]+)'\)|"([a-zA-Z0-9_-]+)"\))`)

// usedVariables lists the variables of the expressions in a text, sorted.
func usedVariables(s string) (language string, names []string) {
	language = expression.Detect(s)
	if language == "" {
		return "", nil
	}
	found := set{}
	sources := expression.Find(s, language)
	for _, x := range sources {
		for _, at := range ctxUse.FindAllStringSubmatchIndex(x.Source, -1) {
			for g := 1; g <= 4; g++ {
				if at[2*g] < 0 {
					continue
				}
				if g == 1 && at[1] < len(x.Source) && x.Source[at[1]] == '(' {
					continue // a method: ctx().get(...)
				}
				found[x.Source[at[2*g]:at[2*g+1]]] = true
			}
		}
	}
	return language, slices.Sorted(maps.Keys(found))
}

// scan is an inspection of the variables of a definition.
type scan struct {
	d   *Definition
	out []Problem
}

// check notes the variables that a value uses and nobody has assigned.
func (s *scan) check(v any, known set, spec, schema string) {
	eachText(v, func(text string) {
		lang, names := usedVariables(text)
		for _, name := range names {
			p := Problem{Type: "context", Language: lang, Expression: text, SpecPath: spec, SchemaPath: schema}
			if strings.HasPrefix(name, "__") {
				p.Message = fmt.Sprintf("Variable %q that is prefixed with double underscores is considered a private variable and cannot be referenced.", name)
				s.out = append(s.out, p)
			}
			if !known[name] {
				p.Message = fmt.Sprintf("Variable %q is referenced before assignment.", name)
				s.out = append(s.out, p)
			}
		}
	})
}

// variables tells which variables are used before they are assigned on some way
// through the workflow, and which are private.
func (d *Definition) variables(before []string) []Problem {
	s := &scan{d: d}
	known := set{}
	for _, name := range before {
		known[name] = true
	}
	for i, in := range d.Inputs {
		s.check(in.Default, known, "input["+strconv.Itoa(i)+"]", "properties.input")
		known[in.Name] = true
	}
	for i, v := range d.Vars {
		s.check(v.Value, known, "vars["+strconv.Itoa(i)+"]", "properties.vars")
		known[v.Name] = true
	}
	known = union(known, s.tasks(known))
	for i, v := range d.Output {
		s.check(v.Value, known, "output["+strconv.Itoa(i)+"]", "properties.output")
		known[v.Name] = true
	}
	return s.out
}

// tasks walks from the start tasks. A join knows what any of its branches knows;
// every other task is looked at once for each different set that leads to it. It
// gives everything that is assigned anywhere.
func (s *scan) tasks(known set) set {
	type visit struct {
		task  string
		known set // nil: what the branches of the join have brought so far
	}
	var queue []visit
	for _, name := range s.d.starts() {
		queue = append(queue, visit{name, known})
	}
	all, joined, last, traversed := known, map[string]set{}, map[string]set{}, set{}
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		t := s.d.Tasks[v.task]
		if t == nil {
			continue
		}
		traversed[v.task] = true
		here := v.known
		if here == nil {
			here = joined[v.task]
		}
		s.task(t, here)
		all = union(all, here)
		for i, n := range t.Next {
			after := s.transition(t, i, here)
			all = union(all, after)
			for _, to := range n.Do {
				next := s.d.Tasks[to]
				switch {
				case next == nil || traversed[to]:
				case next.Join != 0:
					joined[to] = union(joined[to], after)
					queue = append(queue, visit{to, nil})
				case last[to] == nil || !sameSet(last[to], after):
					last[to] = after
					queue = append(queue, visit{to, after})
				}
			}
		}
	}
	return all
}

func (s *scan) task(t *Task, known set) {
	spec := "tasks." + t.Name
	s.check(t.Delay, known, spec+".delay", taskSchema+".properties.delay")
	if t.With != nil {
		s.check(t.With.Items, known, spec+".with.items", taskSchema+".properties.with.properties.items")
		s.check(t.With.Concurrency, known, spec+".with.concurrency", taskSchema+".properties.with.properties.concurrency")
	}
	s.check(t.Action, known, spec+".action", taskSchema+".properties.action")
	s.check(t.Input, known, spec+".input", taskSchema+".properties.input")
}

// transition checks one transition and gives what is known after it.
func (s *scan) transition(t *Task, i int, known set) set {
	n, spec := t.Next[i], "tasks."+t.Name+".next["+strconv.Itoa(i)+"]"
	s.check(n.When, known, spec+".when", nextSchema+".when")
	for j, p := range n.Publish {
		s.check(p.Value, known, spec+".publish["+strconv.Itoa(j)+"]", nextSchema+".publish")
		known = union(known, set{p.Name: true})
	}
	return known
}
