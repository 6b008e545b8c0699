package chatops

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"petrel/aliases"
	"petrel/engine/params"
)

// Reading is how a text is understood as a command, for people who write
// aliases.
type Reading struct {
	Text   string `json:"text"`
	Alias  string `json:"alias,omitempty"` // empty: none is meant
	Format string `json:"format,omitempty"`
	Action string `json:"action,omitempty"`
	// Hits holds the parameters of every execution there would be, with the types
	// that the action wants; secret values are masked.
	Hits []map[string]any `json:"hits,omitempty"`
	// Missing are the required parameters that people would be asked for.
	Missing []string `json:"missing,omitempty"`
	// Problems says, by parameter, why its value would be refused.
	Problems map[string]string `json:"problems,omitempty"`
	// Error says why no alias is meant.
	Error string `json:"error,omitempty"`
	Near  []Near `json:"near,omitempty"`
}

// Near is an alias that a text could mean as well, or nearly.
type Near struct {
	Alias  string `json:"alias"`
	Format string `json:"format"`
	Why    string `json:"why"` // it is not the one that is meant
}

// nearShown is how many near aliases are listed.
const nearShown = 5

// Read understands a text by the aliases of a catalog, without who asks where.
func Read(catalog Catalog, text string) Reading {
	r := Reading{Text: text}
	table := catalog.AliasTable()
	matches, err := table.Match(text)
	switch {
	case err != nil:
		r.Error = err.Error()
	case len(matches) == 0:
		r.begun(catalog, table)
	case len(matches) > 1 && matches[1].SameRank(matches[0]):
		r.Error = "more than one alias fits equally well; people are asked which one they mean"
		for _, m := range matches {
			why := "fits equally well"
			if !m.SameRank(matches[0]) {
				why = "fits, too, but is less specific"
			}
			r.near(m, why)
		}
	default:
		r.take(catalog, matches[0])
		for _, m := range matches[1:] {
			r.near(m, "fits, too, but is less specific")
		}
	}
	return r
}

// begun reads a text that fits no alias: it may lack values only.
func (r *Reading) begun(catalog Catalog, table *aliases.Table) {
	begun := table.Incomplete(r.Text)
	if best := leastIncomplete(begun); len(best) == 1 {
		r.take(catalog, best[0])
		r.Missing = slices.Compact(slices.Sorted(slices.Values(append(begun[0].Missing, r.Missing...))))
		begun = begun[1:]
	} else {
		r.Error = "no alias fits"
	}
	for _, in := range begun {
		r.near(in.Match, "lacks "+strings.Join(in.Missing, ", "))
	}
	for _, s := range table.Suggest(r.Text, nearShown) {
		known := s.Alias.Ref == r.Alias || slices.ContainsFunc(r.Near, func(n Near) bool { return n.Alias == s.Alias.Ref })
		if known {
			continue
		}
		why := fmt.Sprintf("differs by %d; as a command it would be: %s", s.Distance, s.Text)
		if !s.Runnable {
			why = fmt.Sprintf("differs by %d, and something is missing", s.Distance)
		}
		r.Near = append(r.Near, Near{Alias: s.Alias.Ref, Format: s.Display, Why: why})
	}
	r.Near = r.Near[:min(len(r.Near), nearShown)]
}

func (r *Reading) near(m aliases.Match, why string) {
	if len(r.Near) < nearShown {
		r.Near = append(r.Near, Near{Alias: m.Alias.Ref, Format: m.Format, Why: why})
	}
}

// take fills in what a match means.
func (r *Reading) take(catalog Catalog, m aliases.Match) {
	r.Alias, r.Format, r.Action = m.Alias.Ref, m.Format, m.Alias.ActionRef
	list := parametersIn(catalog, m.Alias.ActionRef)
	_, known := catalog.Action(m.Alias.ActionRef)
	fixed := fixedBy(m.Alias)
	r.Problems = map[string]string{}
	for _, hit := range m.All {
		values := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(hit)) {
			text := hit[name]
			if text == nil {
				continue
			}
			at := slices.IndexFunc(list, func(p parameter) bool { return p.Name == name })
			switch {
			case fixed[name]:
				r.Problems[name] = "is fixed by the alias and cannot be given"
			case at < 0 && known:
				r.Problems[name] = "is no parameter of " + m.Alias.ActionRef
			}
			if at < 0 {
				values[name] = *text
				continue
			}
			if problem := list[at].problem(*text); problem != "" {
				r.Problems[name] = problem
			}
			values[name] = list[at].value(*text)
			if list[at].Secret {
				values[name] = params.MaskedValue
			}
		}
		r.Hits = append(r.Hits, values)
	}
	if len(m.All) == 1 {
		for _, p := range missingIn(list, m.Alias, m.All[0]) {
			r.Missing = append(r.Missing, p.Name)
		}
	}
	if !known {
		r.Error = "there is no action " + m.Alias.ActionRef
	}
}

// Kinds of problems that show only when aliases and actions are looked at
// together.
const (
	UnknownAction    aliases.ProblemKind = "unknown-action"    // the command can never run
	UnknownParameter aliases.ProblemKind = "unknown-parameter" // a format gives what the action does not take
	NeverGiven       aliases.ProblemKind = "never-given"       // no format gives a parameter that is required
)

// Lint finds what is wrong between the aliases of a catalog and their actions,
// besides what the table itself finds. Sorted by ref.
func Lint(catalog Catalog) []aliases.Problem {
	problems := catalog.AliasTable().Lint()
	for _, alias := range catalog.AliasTable().Enabled() {
		problems = append(problems, lintAlias(catalog, alias)...)
	}
	slices.SortStableFunc(problems, func(a, b aliases.Problem) int { return strings.Compare(a.Ref, b.Ref) })
	return problems
}

func lintAlias(catalog Catalog, alias *aliases.Definition) []aliases.Problem {
	if _, known := catalog.Action(alias.ActionRef); !known {
		return []aliases.Problem{{Kind: UnknownAction, Ref: alias.Ref, Text: fmt.Sprintf("there is no action %s; the command will be refused", alias.ActionRef)}}
	}
	list := parametersIn(catalog, alias.ActionRef)
	fixed := fixedBy(alias)
	given := aliases.Params{}
	var problems []aliases.Problem
	for _, spec := range alias.Formats {
		for _, source := range spec.Representation {
			f, err := aliases.Compile(source, aliases.Options{})
			if err != nil {
				continue // the table reports it
			}
			for _, name := range f.Names() {
				p := aliases.Problem{Kind: UnknownParameter, Ref: alias.Ref, Format: source}
				switch {
				case fixed[name]:
					p.Text = fmt.Sprintf("gives %s, which immutable_parameters fixes, so the command will be refused; remove one of them", name)
				case !slices.ContainsFunc(list, func(q parameter) bool { return q.Name == name }):
					p.Text = fmt.Sprintf("gives %s, which %s does not take, so the command will be refused", name, alias.ActionRef)
				default:
					given[name] = &source
					continue
				}
				problems = append(problems, p)
			}
		}
	}
	for _, p := range missingIn(list, alias, given) {
		problems = append(problems, aliases.Problem{Kind: NeverGiven, Ref: alias.Ref, Text: fmt.Sprintf(
			"no format gives %s, which %s requires, so people are asked for it every time; write {{ %s }} into a format, or give it in immutable_parameters",
			p.Name, alias.ActionRef, p.Name)})
	}
	return problems
}
