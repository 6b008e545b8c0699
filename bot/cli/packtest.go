package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"petrel/aliases"
	"petrel/bot/server"
	"petrel/packs"
	pylib "petrel/packs/python"
)

func (a *app) packTestCommand() *cobra.Command {
	var verbose bool
	var files []string
	cmd := &cobra.Command{
		Use:   "test PACK...",
		Short: "Run the unit tests of packs",
		Long: `Runs the tests in the folder tests of a pack, which are written with st2tests.base
(BaseActionTestCase, BaseSensorTestCase, BaseActionAliasTestCase), with the pack's
virtualenv where it has one. PACK is the folder of a pack or the name of one.`,
		Args: someArgs("the folder of a pack"),
		RunE: func(cmd *cobra.Command, args []string) error {
			failed := 0
			for _, arg := range args {
				if len(args) > 1 {
					fmt.Fprintf(a.out, "%s:\n", arg)
				}
				err := a.testPack(cmd.Context(), arg, files, verbose)
				if errors.Is(err, errSilent) || errors.Is(err, errNoTests) && len(args) > 1 {
					if errors.Is(err, errSilent) {
						failed++
					} else {
						fmt.Fprintln(a.out, err)
					}
					continue
				}
				if err != nil {
					return err
				}
			}
			if failed > 0 {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "name every test")
	cmd.Flags().StringArrayVarP(&files, "file", "f", nil, "only the tests of this file (may be repeated)")
	return cmd
}

var errNoTests = errors.New("there are no tests: they belong into files tests/test*.py of the pack")

// exitNoTests is what petrel_python/packtest.py ends with when there are none.
const exitNoTests = 5

// testPack runs the tests of one pack.
func (a *app) testPack(ctx context.Context, arg string, files []string, verbose bool) error {
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	dir, ref, err := a.findPack(ctx, arg)
	if err != nil {
		return err
	}
	library, err := pylib.Unpack(cfg.DataDir)
	if err != nil {
		return err
	}
	interpreter := filepath.Join(cfg.VirtualenvsDir(), ref, "bin", "python")
	if !exists(interpreter) {
		interpreter = cfg.Python.Interpreter
	}
	own, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	args := []string{"-B", filepath.Join(library, "petrel_python", "packtest.py")}
	if verbose {
		args = append(args, "--verbose")
	}
	cmd := exec.CommandContext(ctx, interpreter, slices.Concat(args, []string{dir}, files)...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = a.out, a.err, dir
	cmd.Env = append(os.Environ(), "PETREL_BINARY="+own)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == exitNoTests:
		return errNoTests
	case errors.As(err, &exit):
		return errSilent
	case err != nil:
		return fmt.Errorf("run the tests: %w", err)
	}
	return nil
}

// findPack finds a pack by its folder or by its name.
func (a *app) findPack(ctx context.Context, arg string) (dir, ref string, err error) {
	if exists(filepath.Join(arg, "pack.yaml")) {
		if dir, err = filepath.Abs(arg); err != nil {
			return "", "", err
		}
		p, problem := packs.ReadManifest(dir, filepath.Base(dir))
		if p == nil {
			return "", "", errors.New(problem)
		}
		return dir, p.Ref, nil
	}
	_, content, err := a.readPacks(ctx)
	if err != nil {
		return "", "", err
	}
	for _, p := range content.Packs {
		if p.Ref == arg && !builtIn(p.Path) {
			dir, err = filepath.Abs(p.Path)
			return dir, p.Ref, err
		}
	}
	return "", "", fmt.Errorf("%s is neither the folder nor the name of a pack", arg)
}

// packMatchCommand is what tests of aliases ask: see petrel_python/aliastool.py.
func (a *app) packMatchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "match-formats", Hidden: true, Args: exactArgs(0, ""),
		Short: "Answer questions about formats of aliases, a line of JSON each",
		RunE: func(cmd *cobra.Command, _ []string) error {
			lines := bufio.NewReader(a.in)
			out := json.NewEncoder(a.out)
			for {
				line, err := lines.ReadBytes('\n')
				if err != nil {
					return nil // nobody asks any more
				}
				if err := out.Encode(answerFormat(cmd.Context(), line)); err != nil {
					return err
				}
			}
		},
	}
}

// answerFormat answers one question: {pack, alias} or {format, command}.
func answerFormat(ctx context.Context, line []byte) map[string]any {
	var q struct{ Pack, Alias, Format, Command string }
	if err := json.Unmarshal(line, &q); err != nil {
		return map[string]any{"error": err.Error()}
	}
	if q.Pack == "" {
		f, err := aliases.Compile(q.Format, aliases.Options{})
		if err != nil {
			return map[string]any{"matches": false, "why": err.Error()}
		}
		params, ok, err := f.Match(q.Command)
		if err != nil {
			return map[string]any{"error": err.Error()}
		}
		return map[string]any{"matches": ok, "parameters": params}
	}
	content, err := server.CheckPacks(ctx, []string{q.Pack}, "")
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	for _, alias := range content.Aliases {
		if alias.Name == q.Alias && !strings.HasPrefix(alias.Ref, "core.") {
			return aliasFields(filepath.Join(q.Pack, filepath.FromSlash(alias.MetadataFile)), alias.Definition)
		}
	}
	return map[string]any{"error": fmt.Sprintf("Alias with name %q not found", q.Alias)}
}

// aliasFields is an alias as tests see it: its formats are as the file has them.
func aliasFields(path string, d aliases.Definition) map[string]any {
	var fields map[string]any
	encoded, err := json.Marshal(d)
	if err == nil {
		err = json.Unmarshal(encoded, &fields)
	}
	var file struct{ Formats any }
	var body []byte
	if err == nil {
		body, err = os.ReadFile(path)
	}
	if err == nil {
		err = yaml.Unmarshal(body, &file)
	}
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	fields["formats"] = file.Formats
	return map[string]any{"alias": fields}
}
