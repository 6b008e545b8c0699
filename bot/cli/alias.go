package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"petrel/aliases"
	"petrel/bot/chatops"
	"petrel/bot/server"
	"petrel/engine"
	"petrel/packs"
)

func (a *app) aliasCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "alias", Short: "Look at chat commands: list, test, check",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	cmd.AddCommand(a.aliasListCommand(), a.aliasTestCommand(), a.aliasLintCommand())
	return cmd
}

// aliasContent is what was read of packs, as the conversation looks at it.
type aliasContent struct {
	content *packs.Content
	table   *aliases.Table
	left    []aliases.Problem // aliases that were left out of the table
}

func newAliasContent(c *packs.Content, defs []aliases.Definition) *aliasContent {
	x := &aliasContent{content: c}
	x.table, x.left = aliases.NewTable(defs)
	return x
}

// AliasTable implements chatops.Catalog.
func (x *aliasContent) AliasTable() *aliases.Table { return x.table }

// Action implements chatops.Catalog.
func (x *aliasContent) Action(ref string) (*engine.Action, bool) {
	i := slices.IndexFunc(x.content.Actions, func(a *engine.Action) bool { return a.Ref == ref })
	if i < 0 {
		return nil, false
	}
	return x.content.Actions[i], true
}

// Runner implements chatops.Catalog.
func (x *aliasContent) Runner(name string) (*engine.Runner, bool) {
	plain := func(s string) string { return strings.ReplaceAll(s, "_", "-") }
	for i, r := range x.content.Runners {
		if plain(r.Name) == plain(name) || slices.ContainsFunc(r.Aliases, func(o string) bool { return plain(o) == plain(name) }) {
			return &x.content.Runners[i], true
		}
	}
	return nil, false
}

// readAliases reads the aliases of folders, or of the configuration's packs.
func (a *app) readAliases(ctx context.Context, dirs []string) (*aliasContent, error) {
	cfg, err := a.load(nil)
	if err != nil {
		return nil, err
	}
	if len(dirs) == 0 {
		dirs = cfg.Packs
	}
	content, err := server.CheckPacks(ctx, dirs, cfg.ConfigsDir())
	if err != nil {
		return nil, err
	}
	return newAliasContent(content, content.Definitions()), nil
}

func (a *app) aliasListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [FILTER]",
		Short: "List the chat commands that a server with this configuration has",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := a.readAliases(cmd.Context(), nil)
			if err != nil {
				return err
			}
			filter := ""
			if len(args) > 0 {
				filter = args[0]
			}
			lines := x.table.Help(filter)
			if asJSON {
				type line struct {
					Command     string `json:"command"`
					Alias       string `json:"alias"`
					Action      string `json:"action"`
					Description string `json:"description,omitempty"`
				}
				list := make([]line, len(lines))
				for i, l := range lines {
					list[i] = line{l.Display, l.Alias.Ref, l.Alias.ActionRef, l.Description}
				}
				return a.printJSON(list)
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "COMMAND\tALIAS\tACTION\tDESCRIPTION")
			for _, l := range lines {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Display, l.Alias.Ref, l.Alias.ActionRef, l.Description)
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

func (a *app) aliasTestCommand() *cobra.Command {
	var asJSON bool
	var format, action string
	cmd := &cobra.Command{
		Use:   "test TEXT",
		Short: "Say how a line would be understood",
		Long: `Shows which alias a line means, its parameters with their types, what would be
asked for, and which other aliases came near and why they are not meant. The line
is written without the prefix. The exit code is 1 when it means no alias or would
be refused.

  petrel alias test "run date on localhost"
  petrel alias test --format "deploy {{ app }} to {{ env = dev }}" "deploy web"`,
		Args: exactArgs(1, "the line to test"),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := a.readAliases(cmd.Context(), nil)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("format") {
				if x, err = unregistered(x, format, action); err != nil {
					return err
				}
			}
			r := chatops.Read(x, args[0])
			if asJSON {
				err = a.printJSON(r)
			} else {
				err = a.printReading(r)
			}
			if err == nil && (r.Alias == "" || r.Error != "" || len(r.Problems) > 0) {
				return errSilent
			}
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "test against this format instead of the registered ones")
	cmd.Flags().StringVar(&action, "action", "", "with --format: the action that the alias would run (default: none, all parameters are text)")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

// unregistered makes content of a single format.
func unregistered(x *aliasContent, format, action string) (*aliasContent, error) {
	const none = "any.action"
	d := aliases.Definition{Name: "format", Pack: "your", Enabled: true, ActionRef: cmp.Or(action, none),
		Formats: []aliases.FormatSpec{{Display: format, Representation: []string{format}}}}
	if _, known := x.Action(d.ActionRef); !known && action != "" {
		return nil, fmt.Errorf("there is no action %s", action)
	}
	c := *x.content
	if action == "" {
		free := &engine.Action{Ref: none, Enabled: true}
		if f, err := aliases.Compile(format, aliases.Options{}); err == nil { // whatever is named is taken
			schema := map[string]map[string]string{}
			for _, name := range f.Names() {
				schema[name] = map[string]string{}
			}
			if free.Parameters, err = json.Marshal(schema); err != nil {
				return nil, err
			}
		}
		c.Actions = append(slices.Clone(c.Actions), free)
	}
	one := newAliasContent(&c, []aliases.Definition{d})
	if len(one.left) > 0 {
		return nil, errors.New(one.left[0].Text)
	}
	return one, nil
}

func (a *app) printReading(r chatops.Reading) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	if r.Alias != "" {
		fmt.Fprintf(w, "alias\t%s\nformat\t%s\naction\t%s\n", r.Alias, r.Format, r.Action)
	}
	for i, hit := range r.Hits {
		if len(r.Hits) > 1 {
			fmt.Fprintf(w, "hit\t%d\n", i+1)
		}
		for _, name := range slices.Sorted(maps.Keys(hit)) {
			body, err := json.Marshal(hit[name])
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "  %s\t%s", name, body)
			if p := r.Problems[name]; p != "" {
				fmt.Fprintf(w, "\t%s", p)
			}
			fmt.Fprintln(w)
		}
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(w, "missing\t%s\n", strings.Join(r.Missing, ", "))
	}
	if r.Error != "" {
		fmt.Fprintln(w, r.Error)
	}
	if len(r.Near) > 0 {
		fmt.Fprintln(w, "near")
	}
	for _, n := range r.Near {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", n.Alias, n.Format, n.Why)
	}
	return w.Flush()
}

func (a *app) aliasLintCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lint [DIR...]",
		Short: "Say what is wrong with chat commands",
		Long: `Looks for aliases that cannot be used, that get in each other's way, that name
actions or parameters which do not exist, and that never give what their action
requires. DIR is a pack, or a folder of packs; without one the packs of the
configuration are read. The exit code is 1 when a command can never run.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := a.readAliases(cmd.Context(), args)
			if err != nil {
				return err
			}
			return a.lintAliases(x, asJSON)
		},
	}
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

// unusable are the problems that keep a command from ever running.
var unusable = []aliases.ProblemKind{
	aliases.Uncompilable, aliases.Duplicate, aliases.Shadowed, chatops.UnknownAction, chatops.UnknownParameter,
}

// lintLine is a problem and where it is.
type lintLine struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	aliases.Problem
}

func (a *app) lintAliases(x *aliasContent, asJSON bool) error {
	files := map[string]string{}
	for _, r := range x.content.Aliases {
		for _, p := range x.content.Packs {
			if p.Ref == r.Pack {
				files[r.Ref] = filepath.Join(p.Path, r.MetadataFile)
			}
		}
	}
	lines := []lintLine{}
	bad := 0
	for _, p := range x.content.Problems { // what the reader of packs refuses
		if filepath.Base(filepath.Dir(p.File)) == "aliases" && !p.Warning {
			lines = append(lines, lintLine{p.File, p.Line, aliases.Problem{Kind: aliases.Uncompilable, Text: p.Message}})
			bad++
		}
	}
	for _, p := range append(slices.Clone(x.left), chatops.Lint(x)...) {
		if builtIn(files[p.Ref]) && (p.Other == "" || builtIn(files[p.Other])) {
			continue
		}
		lines = append(lines, lintLine{files[p.Ref], 0, p})
		if slices.Contains(unusable, p.Kind) {
			bad++
		}
	}
	if asJSON {
		if err := a.printJSON(lines); err != nil {
			return err
		}
	} else {
		a.printLint(lines, x.table.Len(), bad)
	}
	if bad > 0 {
		return errSilent
	}
	return nil
}

func (a *app) printLint(lines []lintLine, number, bad int) {
	for _, l := range lines {
		at := l.File
		if l.Line > 0 {
			at = fmt.Sprintf("%s:%d", l.File, l.Line)
		}
		fmt.Fprintf(a.out, "%s: %s: ", at, l.Kind)
		if l.Format != "" {
			fmt.Fprintf(a.out, "%q ", l.Format)
		}
		fmt.Fprintln(a.out, l.Text)
	}
	fmt.Fprintf(a.out, "%d aliases, built-in ones included: %s, %d of them keep a command from running\n", number, count(len(lines), "problem"), bad)
}
