package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"petrel/bot/api"
	"petrel/bot/server"
	"petrel/packs/install"
	"petrel/store/sqlite"
)

// installFlags are what the commands that install share.
type installFlags struct {
	index                     []string
	force, skipDeps, noVenv   bool
	noIndex                   bool
	findLinks                 []string
	noRegister, quietProgress bool
}

func (a *app) packInstallCommand() *cobra.Command {
	var f installFlags
	cmd := &cobra.Command{
		Use:   "install PACK...",
		Short: "Install packs: from a folder, with git, or by a name in the index",
		Long: `Puts packs, and those that they depend on, into packs of the data folder, makes
their virtualenvs and registers them; a running server takes them up. When one of
them fails, nothing is installed. A pack that is there already is replaced.

PACK is a name in the index (pack_index), ./FOLDER, file:///FOLDER, the URL of a
git repository or OWNER/REPOSITORY on GitHub; =VERSION behind it asks for a
version, tag, branch or commit.

  petrel pack install csv networking_utils=1.0.0
  petrel pack install ./mypack
  petrel pack install git@git.example.com:ops/mypack=v2.1.0
  petrel pack install csv --index index.json --no-index --find-links wheels`,
		Args: someArgs("the name, folder or URL of a pack"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.installPacks(cmd.Context(), f, args) },
	}
	cmd.Flags().StringArrayVar(&f.index, "index", nil, "file or address of an index, in the place of pack_index (may be repeated)")
	cmd.Flags().BoolVar(&f.force, "force", false, "also packs that do not fit; replace dependencies of another version")
	cmd.Flags().BoolVar(&f.skipDeps, "skip-dependencies", false, "only the packs themselves")
	cmd.Flags().BoolVar(&f.noVenv, "no-virtualenv", false, "make no virtualenvs")
	cmd.Flags().BoolVar(&f.noIndex, "no-index", false, "do not ask a registry of Python packages")
	cmd.Flags().StringArrayVar(&f.findLinks, "find-links", nil, "folder or page with Python packages (may be repeated)")
	return cmd
}

func (a *app) installPacks(ctx context.Context, f installFlags, requests []string) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	o, err := server.InstallOptions(ctx, cfg)
	if err != nil {
		return err
	}
	o.Progress, o.Force, o.SkipDependencies = a.err, f.force, f.skipDeps
	o.Virtualenv.NoIndex, o.Virtualenv.FindLinks = f.noIndex, f.findLinks
	if len(f.index) > 0 {
		o.Index = f.index
	}
	if f.noVenv {
		o.Virtualenv.Dir = ""
	}
	done, err := install.Install(ctx, o, requests...)
	if err != nil {
		return err
	}
	var refs []string
	for _, d := range done {
		refs = append(refs, d.Ref)
		line := fmt.Sprintf("%s %s is installed", d.Ref, d.Version)
		if d.Before != "" {
			line += fmt.Sprintf(" in the place of %s", d.Before)
		}
		if d.Dependency {
			line += ", because another pack needs it"
		}
		fmt.Fprintln(a.out, line)
		for _, w := range d.Warnings {
			fmt.Fprintf(a.out, "%s: warning: %s\n", d.Ref, w)
		}
	}
	return a.register(ctx, refs, false)
}

func (a *app) packUninstallCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "uninstall PACK...",
		Short: "Remove installed packs and their virtualenvs",
		Long: `Removes packs that petrel pack install has installed. What was configured for them
and what they stored in the datastore stays.`,
		Args: someArgs("the name of a pack"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			cfg, err := a.load(nil)
			if err != nil {
				return err
			}
			o, err := server.InstallOptions(ctx, cfg)
			if err != nil {
				return err
			}
			if err := install.Uninstall(ctx, o, args...); err != nil {
				return err
			}
			for _, ref := range args {
				fmt.Fprintf(a.out, "%s is removed\n", ref)
			}
			return a.register(ctx, nil, false)
		},
	}
}

func (a *app) packRegisterCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "register [PACK...]",
		Short: "Read the packs from disk again; a running server takes the changes up",
		Long: `Reads all packs and writes what differs into the store. A running server does so
itself when it is told (at http.listen), and all others that share its store. With
names of packs only what concerns them is shown. The exit code is 1 when something
cannot be used; everything else is registered all the same.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.register(cmd.Context(), args, true) },
	}
}

// register has the packs read again and shows what came of those named, of all
// when none is.
func (a *app) register(ctx context.Context, refs []string, asked bool) error {
	r, err := a.registerPacks(ctx)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if _, ok := r.Packs[ref]; !ok {
			return fmt.Errorf("there is no pack %s in the folders of packs, or its pack.yaml is wrong: petrel pack lint tells more", ref)
		}
	}
	concerns := func(p api.PackProblem) bool {
		return len(refs) == 0 || slices.ContainsFunc(refs, func(ref string) bool { return strings.HasPrefix(p.File, r.Packs[ref].Path+"/") })
	}
	broken := 0
	for _, p := range r.Problems {
		if concerns(p) && (asked || len(refs) > 0) {
			fmt.Fprintln(a.out, p.Text)
			if !p.Warning {
				broken++
			}
		}
	}
	actions, rules, aliases, number := 0, 0, 0, 0
	for ref, n := range r.Packs {
		if len(refs) == 0 || slices.Contains(refs, ref) {
			number, actions, rules, aliases = number+1, actions+n.Actions, rules+n.Rules, aliases+n.Aliases
		}
	}
	changed := 0
	for _, c := range r.Changes {
		if len(refs) == 0 || slices.Contains(refs, c.Pack) {
			changed++
		}
	}
	fmt.Fprintf(a.out, "registered %s with %s, %s, %s; %d changed\n", count(number, "pack"), count(actions, "action"), count(rules, "rule"),
		plural(aliases, "alias", "aliases"), changed)
	if broken > 0 {
		return errSilent
	}
	return nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// registerPacks asks the running server, or does it itself when none runs.
func (a *app) registerPacks(ctx context.Context) (r api.Registration, err error) {
	cfg, err := a.load(nil)
	if err != nil {
		return r, err
	}
	answer, err := call(ctx, cfg, http.MethodPost, "/api/v1/packs/register?detail=true", map[string]any{})
	switch {
	case err == nil:
		return r, json.Unmarshal(answer, &r)
	case !errors.Is(err, errNoServer):
		return r, err
	}
	r, err = server.RegisterPacks(ctx, cfg, slog.New(slog.DiscardHandler))
	var used *sqlite.InUseError
	if errors.As(err, &used) {
		return r, fmt.Errorf("%w, and no server answers at %s: is http.listen that of the running server?", err, cfg.HTTP.Listen)
	}
	return r, err
}

func (a *app) packSearchCommand() *cobra.Command {
	var places []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "search WORD",
		Short: "Look for packs in the index",
		Args:  exactArgs(1, "a word to look for"),
		RunE: func(cmd *cobra.Command, args []string) error {
			index, err := a.index(cmd.Context(), places)
			if err != nil {
				return err
			}
			found := index.Search(args[0])
			if asJSON {
				return a.printJSON(append([]install.Entry{}, found...))
			}
			if len(found) == 0 {
				return fmt.Errorf("no pack in the index has %q in its name, description, keywords or author", args[0])
			}
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "PACK\tVERSION\tDESCRIPTION\tAUTHOR")
			for _, e := range found {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", e.Ref, e.Version, shorten(e.Description), e.Author)
			}
			return w.Flush()
		},
	}
	cmd.Flags().StringArrayVar(&places, "index", nil, "file or address of an index, in the place of pack_index (may be repeated)")
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

// index reads the indexes given, or those of the configuration. One that cannot be
// read is told, and the others are used.
func (a *app) index(ctx context.Context, places []string) (install.Index, error) {
	cfg, err := a.load(nil)
	if err != nil {
		return nil, err
	}
	if len(places) == 0 {
		places = cfg.PackIndex
	}
	index, err := install.LoadIndex(ctx, places)
	if index != nil && err != nil {
		fmt.Fprintf(a.err, "petrel: warning: %v\n", err)
		err = nil
	}
	return index, err
}
