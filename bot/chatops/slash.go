package chatops

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"petrel/adapters"
	"petrel/aliases"
)

// commandNames are the slash commands of the aliases of one table: what a
// platform with commands of its own is told, and how a call finds its alias.
type commandNames struct {
	mu    sync.Mutex
	table *aliases.Table // that the names were made from
	refs  map[string]string
}

// maxCommandName is the longest name of a slash command, in characters; the
// shortest limit of all platforms.
const maxCommandName = 32

// maxCommandOptions is how many options a slash command may have, and choices
// an option.
const maxCommandOptions = 25

// KeepCommands makes the slash commands known to the platforms that have them
// made known beforehand, now and whenever the content changes, until ctx ends.
// changed gives a channel that is closed at the next change.
func (c *Chat) KeepCommands(ctx context.Context, changed func() <-chan struct{}) {
	for {
		news := changed()
		var all []adapters.Command
		for _, a := range c.adapters {
			commander, ok := a.(adapters.Commander)
			if !ok {
				continue
			}
			if all == nil {
				all = c.slashCommands()
			}
			commander.SetCommands(all)
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
		}
	}
}

// slashCommands lists one command that takes any text, and one for each alias.
func (c *Chat) slashCommands() []adapters.Command {
	own := strings.ToLower(c.name)
	list := []adapters.Command{{
		Name: own, Description: "Run a command, or ask for help",
		Options: []adapters.CommandOption{{Name: "command", Description: "What to run, such as help", Kind: "string"}},
	}}
	refs := c.commandRefs()
	names := make([]string, 0, len(refs))
	for name := range refs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		alias, ok := c.catalog().AliasTable().Get(refs[name])
		if !ok {
			continue
		}
		description := alias.Description
		if description == "" {
			description = "Run " + alias.ActionRef
		}
		list = append(list, adapters.Command{Name: name, Description: description, Options: c.commandOptions(alias)})
	}
	return list
}

// commandRefs returns the refs of the enabled aliases by the name of their slash
// command.
func (c *Chat) commandRefs() map[string]string {
	table := c.catalog().AliasTable()
	n := &c.commands
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.table == table {
		return n.refs
	}
	refs := map[string]string{}
	for _, alias := range table.Enabled() {
		name := commandWord(alias.Name)
		if _, taken := refs[name]; taken || name == strings.ToLower(c.name) || name == "" {
			name = commandWord(alias.Pack + "-" + alias.Name)
		}
		for i := 2; refs[name] != ""; i++ {
			suffix := fmt.Sprintf("-%d", i)
			name = name[:min(len(name), maxCommandName-len(suffix))] + suffix
		}
		refs[name] = alias.Ref
	}
	n.table, n.refs = table, refs
	return refs
}

// commandWord makes a name that every platform takes.
func commandWord(name string) string {
	word := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, name)
	word = strings.Trim(word, "-")
	return word[:min(len(word), maxCommandName)]
}

// commandOptions are the parameters that a slash command has for an alias: those
// that its formats name and those of the action's own, required ones first.
func (c *Chat) commandOptions(alias *aliases.Definition) []adapters.CommandOption {
	named := map[string]bool{}
	for _, spec := range alias.Formats {
		for _, source := range spec.Representation {
			if f, err := aliases.Compile(source, aliases.Options{}); err == nil {
				for _, name := range f.Names() {
					named[name] = true
				}
			}
		}
	}
	missing := c.missing(alias, nil)
	required := func(name string) bool {
		return slices.ContainsFunc(missing, func(p parameter) bool { return p.Name == name })
	}
	fixed := fixedBy(alias)
	var first, second, rest []adapters.CommandOption
	for _, p := range c.parameters(alias.ActionRef) {
		if p.Immutable || !p.Own && !named[p.Name] || fixed[p.Name] {
			continue
		}
		o := adapters.CommandOption{Name: strings.ToLower(p.Name), Description: p.Description, Kind: "string", Required: required(p.Name)}
		if o.Description == "" {
			o.Description = p.Name
		}
		switch p.Type {
		case "integer", "number", "boolean":
			o.Kind = p.Type
		}
		if len(p.Enum) > 0 && len(p.Enum) <= maxCommandOptions && o.Kind == "string" {
			for _, v := range p.Enum {
				o.Choices = append(o.Choices, adapters.Option{Value: v, Label: v})
			}
		}
		switch {
		case o.Required:
			first = append(first, o)
		case named[p.Name]:
			second = append(second, o)
		default:
			rest = append(rest, o)
		}
	}
	all := slices.Concat(first, second, rest)
	return all[:min(len(all), maxCommandOptions)]
}

// matchSlash finds the alias of a slash command. It says no when the command is
// the one that takes any text, whose text it sets.
func (c *Chat) matchSlash(e adapters.Event, cmd *command) bool {
	name := strings.ToLower(e.Command)
	if name == "" || name == strings.ToLower(c.name) {
		return false
	}
	ref, known := c.commandRefs()[name]
	if !known || len(e.Options) == 0 && strings.TrimSpace(e.Text) != "" {
		return false // a command of the platform's own set-up, /deploy web: read as the line "deploy web"
	}
	alias, ok := c.catalog().AliasTable().Get(ref)
	if !ok {
		return false
	}
	hit := aliases.Params{}
	for option, text := range e.Options {
		for _, p := range c.parameters(alias.ActionRef) {
			if strings.EqualFold(p.Name, option) {
				option = p.Name
			}
		}
		hit[option] = &text
	}
	cmd.Alias, cmd.Hits = ref, []aliases.Params{hit}
	cmd.Text = name
	return true
}

// slashText is the line that a slash command with free text stands for.
func (c *Chat) slashText(e adapters.Event) string {
	text := strings.TrimSpace(e.Text)
	if text == "" {
		text = strings.TrimSpace(e.Options["command"])
	}
	name := strings.ToLower(e.Command)
	if name == "" || name == strings.ToLower(c.name) {
		return text
	}
	return strings.TrimSpace(name + " " + text)
}
