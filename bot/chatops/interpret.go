package chatops

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"petrel/adapters"
	"petrel/aliases"
)

// How many nearest commands are looked at, and how many shown.
const (
	suggestFrom  = 12
	suggestShown = 3
)

// offerTTL is how long a suggestion can be taken up, questionTTL how long a
// question waits for its answer.
const (
	offerTTL    = time.Hour
	questionTTL = 10 * time.Minute
)

// interpret deals with a text that does not say by itself which alias it means.
// It answers (done), or finds the one alias after all: the only one of several
// that the person may run here, or the only one that the text begins to fit.
func (c *Chat) interpret(ctx context.Context, t *turn) (done bool, err error) {
	table := c.catalog().AliasTable()
	matches, err := table.Match(t.cmd.Text)
	if err != nil {
		return true, t.say(adapters.StateRefused, c.unknown(t.cmd.Text), paragraph("%s", err))
	}
	if len(matches) == 0 {
		if matches = leastIncomplete(table.Incomplete(t.cmd.Text)); len(matches) == 0 {
			return true, c.suggest(ctx, t, table)
		}
	} else {
		equal := 1
		for equal < len(matches) && matches[equal].SameRank(matches[0]) {
			equal++
		}
		matches = matches[:equal]
	}
	allowed := slices.DeleteFunc(slices.Clone(matches), func(m aliases.Match) bool { return !c.mayEver(ctx, t.who, m.Alias) })
	if len(allowed) > 1 {
		return true, c.askWhich(t, allowed)
	}
	if len(allowed) == 1 {
		matches = allowed
	} // else the first one's refusal is the answer
	t.cmd.take(matches[0])
	return false, nil
}

// leastIncomplete returns the equally good ones of those that lack the fewest
// values.
func leastIncomplete(list []aliases.Incomplete) []aliases.Match {
	var matches []aliases.Match
	for _, in := range list {
		if len(in.Missing) > len(list[0].Missing) || !in.SameRank(list[0].Match) {
			break
		}
		matches = append(matches, in.Match)
	}
	return matches
}

// askWhich asks which of several commands is meant.
func (c *Chat) askWhich(t *turn, matches []aliases.Match) error {
	q := question{state: adapters.StateAsking, verb: verbRun, ttl: questionTTL}
	var list strings.Builder
	for i, m := range matches {
		name := m.Display
		if name == "" {
			name = m.Format
		}
		cmd := t.cmd
		cmd.take(m)
		q.options = append(q.options, option{Label: name + " (" + m.Alias.Ref + ")", Command: &cmd})
		fmt.Fprintf(&list, "%d. %s (%s)", i+1, name, m.Alias.Ref)
		if m.Alias.Description != "" {
			fmt.Fprintf(&list, " - %s", m.Alias.Description)
		}
		list.WriteByte('\n')
	}
	q.blocks = []adapters.Block{
		paragraph("That can mean more than one command. Which one?"),
		{Kind: adapters.Preformatted, Text: strings.TrimSuffix(list.String(), "\n")},
	}
	q.inWords = "Answer with its number, or with *cancel*."
	return c.ask(t, q)
}

// suggest says that a command is not known, and offers those that come near and
// that the person may run here.
func (c *Chat) suggest(ctx context.Context, t *turn, table *aliases.Table) error {
	near := slices.DeleteFunc(table.Suggest(t.cmd.Text, suggestFrom), func(s aliases.Suggestion) bool {
		return !c.mayEver(ctx, t.who, s.Alias)
	})
	near = near[:min(len(near), suggestShown)]
	blocks := []adapters.Block{c.unknown(t.cmd.Text)}
	if len(near) == 0 {
		return t.say(adapters.StateRefused, append(blocks, paragraph("Say `%shelp` to see what there is.", c.prefix))...)
	}
	q := question{state: adapters.StateRefused, verb: verbRun, ttl: offerTTL}
	var list strings.Builder
	for _, s := range near {
		fmt.Fprintf(&list, "%s%s\n", c.prefix, s)
		if !s.Runnable {
			continue
		}
		cmd := t.cmd
		cmd.Text = s.Text
		c.match(&cmd)
		if cmd.Alias == s.Alias.Ref && len(cmd.Hits) == 1 && len(c.missing(s.Alias, cmd.Hits[0])) == 0 {
			q.options = append(q.options, option{Label: s.Text, Command: &cmd})
		}
	}
	q.blocks = append(blocks, paragraph("Did you mean:"), adapters.Block{Kind: adapters.Preformatted, Text: strings.TrimSuffix(list.String(), "\n")})
	if len(q.options) == 0 || !c.shows(t.place.Adapter).Buttons {
		return t.say(q.state, q.blocks...)
	}
	return c.ask(t, q)
}

func (c *Chat) unknown(text string) adapters.Block {
	return paragraph("I do not know the command `%s`.", inline(text))
}

// helpRequest recognises "help" and "help FILTER".
func helpRequest(text string) (filter string, ok bool) {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	return strings.TrimSpace(rest), strings.EqualFold(word, "help") || word == "" || word == "?"
}

// help lists the commands that the filter selects and the asker may run here.
func (c *Chat) help(ctx context.Context, who asker, filter string) []adapters.Block {
	allowed := map[*aliases.Definition]bool{}
	lines := slices.DeleteFunc(c.catalog().AliasTable().Help(filter), func(l aliases.HelpLine) bool {
		may, known := allowed[l.Alias]
		if !known {
			may = c.mayEver(ctx, who, l.Alias)
			allowed[l.Alias] = may
		}
		return !may
	})
	if len(lines) == 0 {
		return []adapters.Block{paragraph("No available commands match %s. Say `%shelp` to see all of them.", filter, c.prefix)}
	}
	var list strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&list, "%s%s\n", c.prefix, l)
	}
	return []adapters.Block{
		paragraph("These commands are known. Begin with `%s` or `@%s`; in a direct message neither is needed.", c.prefix, c.name),
		{Kind: adapters.Preformatted, Text: strings.TrimSuffix(list.String(), "\n")},
	}
}

// paragraph makes a block of text.
func paragraph(format string, args ...any) adapters.Block {
	return adapters.Block{Kind: adapters.Paragraph, Text: fmt.Sprintf(format, args...)}
}

// inline makes text that a person typed fit between backquotes on one line.
func inline(text string) string {
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "`", "'")), " ")
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200]) + "..."
	}
	return text
}
