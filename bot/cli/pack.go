package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"petrel/bot/server"
	"petrel/config"
	"petrel/packs"
	"petrel/packs/virtualenv"
)

func (a *app) packCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "pack", Short: "Install, configure, check and look at packs",
		Args: func(_ *cobra.Command, args []string) error { return noSuchCommand(args) },
	}
	cmd.AddCommand(a.packListCommand(), a.packGetCommand(), a.packSearchCommand(), a.packInstallCommand(), a.packUninstallCommand(),
		a.packRegisterCommand(), a.packConfigCommand(), a.packCreateCommand(), a.packTestCommand(), a.packMatchCommand(), a.packLintCommand(), a.packSetupCommand())
	return cmd
}

func (a *app) packListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the packs that a server with this configuration has",
		Args:  exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, content, err := a.readPacks(cmd.Context())
			if err != nil {
				return err
			}
			actions := map[string]int{}
			for _, action := range content.Actions {
				actions[action.Pack]++
			}
			slices.SortFunc(content.Packs, func(a, b *packs.Pack) int { return strings.Compare(a.Ref, b.Ref) })
			w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "PACK\tVERSION\tACTIONS\tPYTHON\tFOLDER")
			for _, p := range content.Packs {
				python := "-"
				if _, err := os.Stat(filepath.Join(cfg.VirtualenvsDir(), p.Ref)); err == nil {
					python = "virtualenv"
				}
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\n", p.Ref, p.Version, actions[p.Ref], python, p.Path)
			}
			return w.Flush()
		},
	}
}

func (a *app) packLintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "lint DIR...",
		Short: "Say what is wrong with packs",
		Long: `Reads packs as the server does: DIR is a pack, or a folder of packs. Each problem
is told with its file and line. The exit code is 1 when something cannot be used;
warnings alone are no failure.`,
		Args: someArgs("the folder of a pack"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(nil)
			if err != nil {
				return err
			}
			content, err := server.CheckPacks(cmd.Context(), args, cfg.ConfigsDir())
			if err != nil {
				return err
			}
			return a.lint(content)
		},
	}
}

func (a *app) lint(content *packs.Content) error {
	errorCount, warnings, number := 0, 0, 0
	for _, p := range content.Problems {
		if builtIn(p.File) {
			continue
		}
		fmt.Fprintln(a.out, p)
		if p.Warning {
			warnings++
		} else {
			errorCount++
		}
	}
	for _, p := range content.Packs {
		if !builtIn(p.Path) {
			number++
		}
	}
	actions := 0
	for _, action := range content.Actions {
		if !builtIn(action.Dir) {
			actions++
		}
	}
	fmt.Fprintf(a.out, "%s with %s: %s, %s\n", count(number, "pack"), count(actions, "action"), count(errorCount, "error"), count(warnings, "warning"))
	if number == 0 && errorCount == 0 {
		return errors.New("there is no pack: a pack is a folder with a pack.yaml")
	}
	if errorCount > 0 {
		return errSilent
	}
	return nil
}

// builtIn tells whether a path is that of a built-in pack.
func builtIn(path string) bool {
	return path == server.BuiltinName || strings.HasPrefix(path, server.BuiltinName+string(filepath.Separator))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (a *app) packSetupCommand() *cobra.Command {
	var o virtualenv.Options
	var all bool
	cmd := &cobra.Command{
		Use:   "setup PACK...|--all",
		Short: "Make the virtualenvs of packs and install their requirements",
		Long: `Makes a Python environment for each pack (virtualenvs in the data folder) and
installs what its requirements.txt names, and those libraries that StackStorm
brings along and the pack imports. A running server uses it from the next run on.
When something fails, the pack keeps the environment it had.

Without a network: petrel pack setup --all --no-index --find-links DIR-WITH-WHEELS`,
		Args: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return usageError{errors.New(cmd.CommandPath() + " needs the names of packs, or --all")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.setUp(cmd.Context(), o, args) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "every pack of the configuration")
	cmd.Flags().BoolVar(&o.Update, "update", false, "keep environments that are there and bring them up to date")
	cmd.Flags().BoolVar(&o.Tests, "tests", false, "what the tests of the packs import, too, for petrel pack test")
	cmd.Flags().BoolVar(&o.NoIndex, "no-index", false, "do not ask a package registry")
	cmd.Flags().StringArrayVar(&o.FindLinks, "find-links", nil, "folder or page with packages (may be repeated)")
	return cmd
}

// setUp makes the virtualenvs of the named packs, of all when none is named.
func (a *app) setUp(ctx context.Context, o virtualenv.Options, names []string) error {
	cfg, content, err := a.readPacks(ctx)
	if err != nil {
		return err
	}
	o.Dir, o.Interpreter, o.Progress = cfg.VirtualenvsDir(), cfg.Python.Interpreter, a.err
	known := map[string]*packs.Pack{}
	for _, p := range content.Packs {
		if !builtIn(p.Path) {
			known[p.Ref] = p
		}
	}
	all := len(names) == 0
	if all {
		for ref := range known {
			names = append(names, ref)
		}
		slices.Sort(names)
	}
	for _, name := range names {
		if known[name] == nil {
			return fmt.Errorf("there is no pack %s in the folders of the configuration (packs: %s)", name, strings.Join(cfg.Packs, ", "))
		}
	}
	failed := 0
	for i, name := range names {
		fmt.Fprintf(a.err, "[%d/%d] %s\n", i+1, len(names), name)
		r, err := virtualenv.Setup(ctx, o, virtualenv.Pack{Ref: name, Dir: known[name].Path})
		switch {
		case err != nil && (!all || ctx.Err() != nil):
			return err
		case err != nil:
			failed++
			fmt.Fprintf(a.out, "%s: failed: %v\n", name, err)
		case !r.Needed:
			fmt.Fprintf(a.out, "%s: needs nothing\n", name)
		case len(r.Implied) > 0:
			fmt.Fprintf(a.out, "%s: %s (with %s, which requirements.txt does not name)\n", name, r.Path, strings.Join(r.Implied, ", "))
		default:
			fmt.Fprintf(a.out, "%s: %s\n", name, r.Path)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%s could not be set up", count(failed, "pack"))
	}
	return nil
}

// readPacks reads the packs of the configuration.
func (a *app) readPacks(ctx context.Context) (*config.Config, *packs.Content, error) {
	cfg, err := a.load(nil)
	if err != nil {
		return nil, nil, err
	}
	content, err := server.CheckPacks(ctx, server.PackFolders(cfg), cfg.ConfigsDir())
	return cfg, content, err
}

// someArgs refuses to be called without arguments and says what they are.
func someArgs(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{errors.New(cmd.CommandPath() + " needs " + what)}
		}
		return nil
	}
}
