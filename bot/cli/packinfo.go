package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"petrel/engine/expression/value"
	"petrel/packs"
	"petrel/packs/install"
)

func (a *app) packGetCommand() *cobra.Command {
	var asJSON bool
	var places []string
	cmd := &cobra.Command{
		Use:   "get PACK",
		Short: "Show what is known of a pack: an installed one, else one in the index",
		Args:  exactArgs(1, "the name of a pack"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, content, err := a.readPacks(cmd.Context())
			if err != nil {
				return err
			}
			for _, p := range content.Packs {
				if p.Ref != args[0] {
					continue
				}
				if asJSON {
					return a.printJSON(p)
				}
				fields := [][2]string{
					{"pack", p.Ref}, {"name", p.Name}, {"description", p.Description}, {"version", p.Version}, {"author", p.Author}, {"email", p.Email},
					{"keywords", strings.Join(p.Keywords, ", ")}, {"stackstorm_version", p.StackStormVersion}, {"dependencies", strings.Join(p.Dependencies, ", ")},
					{"folder", p.Path},
				}
				if venv := filepath.Join(cfg.VirtualenvsDir(), p.Ref); exists(venv) {
					fields = append(fields, [2]string{"virtualenv", venv})
				}
				return a.printRows(append(fields, contents(content, p.Ref)...))
			}
			index, err := a.index(cmd.Context(), places)
			if err != nil {
				return fmt.Errorf("pack %s is not installed, and the index cannot be read: %w", args[0], err)
			}
			e, ok := index[args[0]]
			if !ok {
				return fmt.Errorf("pack %s is neither installed nor in the index", args[0])
			}
			if asJSON {
				return a.printJSON(e)
			}
			return a.printRows([][2]string{
				{"pack", e.Ref}, {"name", e.Name}, {"description", e.Description}, {"version", e.Version}, {"author", e.Author},
				{"keywords", strings.Join(e.Keywords, ", ")}, {"repository", e.URL}, {"installed", "no; petrel pack install " + args[0]},
			})
		},
	}
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	cmd.Flags().StringArrayVar(&places, "index", nil, "file or address of an index, in the place of pack_index (may be repeated)")
	return cmd
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// contents counts what a pack holds.
func contents(c *packs.Content, ref string) [][2]string {
	actions, rules, aliases, triggers := 0, 0, 0, 0
	for _, x := range c.Actions {
		if x.Pack == ref {
			actions++
		}
	}
	for _, x := range c.Rules {
		if x.Pack == ref {
			rules++
		}
	}
	for _, x := range c.Aliases {
		if x.Pack == ref {
			aliases++
		}
	}
	for _, x := range c.TriggerTypes {
		if x.Pack == ref {
			triggers++
		}
	}
	return [][2]string{{"content", fmt.Sprintf("%s, %s, %s, %s", count(actions, "action"), count(rules, "rule"),
		plural(aliases, "alias", "aliases"), count(triggers, "trigger type"))}}
}

// printRows prints names and values, empty ones left out.
func (a *app) printRows(rows [][2]string) error {
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if r[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", r[0], strings.ReplaceAll(strings.TrimSpace(r[1]), "\n", " "))
		}
	}
	return w.Flush()
}

func (a *app) packConfigCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config PACK [KEY=VALUE...]",
		Short: "Show or change the configuration of a pack",
		Long: `Without values: shows what can be configured and how it is, secret values hidden.
With values: checks them against the pack's schema, writes them to the pack's file
in the folder of configurations, and registers it. A VALUE is read as YAML when the
item is no text; an empty one removes the item.

  petrel pack config jira
  petrel pack config jira url=https://jira.example.com verify=false
  petrel key set jira.password - --encrypt
  petrel pack config jira password='{{ st2kv.system.jira.password }}'`,
		Args: someArgs("the name of a pack"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, content, err := a.readPacks(cmd.Context())
			if err != nil {
				return err
			}
			var pack *packs.Pack
			for _, p := range content.Packs {
				if p.Ref == args[0] {
					pack = p
				}
			}
			if pack == nil || builtIn(pack.Path) && len(args) > 1 {
				return fmt.Errorf("there is no pack %s that could be configured; petrel pack list shows the packs", args[0])
			}
			path := filepath.Join(cfg.ConfigsDir(), pack.Ref+".yaml")
			if len(args) == 1 {
				return a.showConfig(pack, path, asJSON)
			}
			changes, err := configChanges(packs.ReadConfig(pack, path).Schema, args[1:])
			if err != nil {
				return err
			}
			if err := packs.WriteConfig(pack, path, changes); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "%s is written\n", path)
			return a.register(cmd.Context(), []string{pack.Ref}, true)
		},
	}
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print the values as JSON")
	return cmd
}

// configItem is what a schema says about one item.
type configItem struct {
	Type        string `json:"type"`
	Description string `json:"description"`
	Required    bool   `json:"required"`
	Secret      bool   `json:"secret"`
	Default     any    `json:"default"`
}

func (a *app) showConfig(pack *packs.Pack, path string, asJSON bool) error {
	view := packs.ReadConfig(pack, path)
	if asJSON {
		return a.printJSON(value.ToGo(view.Values))
	}
	items, order, err := schemaItems(view.Schema)
	if err != nil {
		return err
	}
	for k := range view.Values.All() {
		if name := value.Str(k); items[name] == nil {
			items[name], order = &configItem{Description: "(the pack has no such item)"}, append(order, name)
		}
	}
	fmt.Fprintf(a.out, "# %s\n", path)
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ITEM\tVALUE\tDEFAULT\tTYPE\tREQUIRED\tDESCRIPTION")
	for _, name := range order {
		i := items[name]
		now := "-"
		if v, ok := view.Values.GetString(name); ok {
			now = compact(v)
		}
		fallback := "-"
		if i.Default != nil && !i.Secret {
			fallback = fmt.Sprint(i.Default)
		}
		kind := i.Type
		if i.Secret {
			kind += " (secret)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%t\t%s\n", name, shorten(now), shorten(fallback), kind, i.Required, shorten(i.Description))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return view.Err
}

// schemaItems reads the items of a schema, in their order.
func schemaItems(schema json.RawMessage) (map[string]*configItem, []string, error) {
	items := map[string]*configItem{}
	if len(schema) == 0 {
		return items, nil, nil
	}
	if err := json.Unmarshal(schema, &items); err != nil {
		return nil, nil, fmt.Errorf("config.schema.yaml: %w", err)
	}
	v, err := value.ParseJSON(schema)
	if err != nil {
		return nil, nil, fmt.Errorf("config.schema.yaml: %w", err)
	}
	var order []string
	if d, ok := v.(*value.Dict); ok {
		for k := range d.All() {
			order = append(order, value.Str(k))
		}
	}
	return items, order, nil
}

// configChanges reads KEY=VALUE; nil removes an item.
func configChanges(schema json.RawMessage, args []string) (map[string]any, error) {
	items, _, err := schemaItems(schema)
	if err != nil {
		return nil, err
	}
	changes := map[string]any{}
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("%q is not KEY=VALUE", arg)}
		}
		if text == "" {
			changes[name] = nil
			continue
		}
		changes[name] = text
		if i := items[name]; i != nil && i.Type == "string" || strings.Contains(text, "{{") {
			continue
		}
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			return nil, usageError{fmt.Errorf("%s: the value is no YAML: %w", name, err)}
		}
		changes[name] = v
	}
	return changes, nil
}

func (a *app) packCreateCommand() *cobra.Command {
	var o install.NewPack
	var dir string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Begin a new pack, with an action, a command for chat and a test",
		Args:  exactArgs(1, "the name of the pack, of a-z, 0-9 and _"),
		RunE: func(_ *cobra.Command, args []string) error {
			o.Ref = args[0]
			path := filepath.Join(dir, o.Ref)
			files, err := install.Create(path, o)
			if errors.Is(err, install.ErrName) {
				return usageError{err}
			}
			if err != nil {
				return err
			}
			for _, f := range files {
				fmt.Fprintln(a.out, filepath.Join(path, f))
			}
			if !filepath.IsAbs(path) {
				path = "./" + filepath.ToSlash(path)
			}
			fmt.Fprintf(a.out, "\nCheck it:    petrel pack lint %s\nTest it:     petrel pack test %s\nInstall it:  petrel pack install %s\n", path, path, path)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "folder to make it in")
	cmd.Flags().StringVar(&o.Description, "description", "", "what the pack is for")
	cmd.Flags().StringVar(&o.Author, "author", "", "who writes it")
	cmd.Flags().StringVar(&o.Email, "email", "", "address of the author")
	return cmd
}
