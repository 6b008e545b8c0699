package server

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"petrel/bot/chatops"
	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/pipeline"
	"petrel/engine/runners"
	httprunner "petrel/engine/runners/http"
	"petrel/engine/runners/noop"
	"petrel/engine/runners/python"
	"petrel/engine/runners/shell"
	"petrel/engine/runners/ssh"
	"petrel/engine/sensors/schedule"
	"petrel/packs"
	"petrel/packs/builtin"
	pylib "petrel/packs/python"
)

// runners lists every kind of action that this program can carry out.
func (s *Server) runners() ([]runners.Runner, error) {
	library, err := pylib.Unpack(s.cfg.DataDir)
	if err != nil {
		return nil, err
	}
	dirs := append(slices.Clone(s.cfg.Packs), builtin.Dir(s.cfg.DataDir))
	for i, dir := range dirs {
		if dirs[i], err = filepath.Abs(dir); err != nil {
			return nil, fmt.Errorf("folder of packs: %w", err)
		}
	}
	s.python = python.New(python.Options{
		Library: library, Virtualenvs: s.cfg.VirtualenvsDir(), Interpreter: s.cfg.Python.Interpreter,
		CommonLibs: s.cfg.Python.CommonLibs, Prewarm: s.cfg.Python.Prewarm,
		Packs: dirs, Configs: s.cfg.ConfigsDir(),
		Datastore: actionDatastore{s.items, s.log}, Logger: s.log,
	})
	return kinds(s.python, s.chat.PostMessage()), nil
}

// kinds lists the runners.
func kinds(script *python.Script, say *chatops.PostMessage) []runners.Runner {
	return []runners.Runner{
		shell.NewCommand(shell.Options{}), shell.NewScript(shell.Options{}),
		ssh.NewCommand(ssh.Options{}), ssh.NewScript(ssh.Options{}),
		httprunner.New(httprunner.Options{}), noop.Runner{}, script, say,
	}
}

// CheckPacks reads folders of packs as the server does, together with the
// built-in packs, and registers nothing. Problems of built-in packs are those of
// files below BuiltinName.
func CheckPacks(ctx context.Context, dirs []string, configs string) (*packs.Content, error) {
	var sources []packs.Source
	for _, dir := range dirs {
		sources = append(sources, packs.Source{Dir: dir, Configs: configs})
	}
	sources = append(sources, packs.Source{Dir: BuiltinName, FS: builtin.FS()})
	registry, err := runners.NewRegistry(kinds(nil, nil)...)
	if err != nil {
		return nil, err
	}
	return packs.Load(ctx, sources, registry.Specs(), checks(expression.New(expression.Options{}))), nil
}

// BuiltinName is how CheckPacks names the folder of the built-in packs.
const BuiltinName = "built-in packs"

// checks are what content is asked that packs do not know.
func checks(renderer *expression.Renderer) packs.Checks {
	return packs.Checks{
		Trigger:   checkTimer,
		When:      func(rule *engine.Rule) error { return pipeline.CheckWhen(renderer, rule) },
		AllowWhen: func(source string) error { return chatops.CheckAllowWhen(renderer, source) },
	}
}

// loadPacks reads the packs and registers them. What is wrong with a pack is
// logged with its place and keeps no other pack from working.
func (s *Server) loadPacks(ctx context.Context, specs []engine.Runner) error {
	unpacked, err := builtin.Unpack(s.cfg.DataDir)
	if err != nil {
		return fmt.Errorf("unpack the built-in packs: %w", err)
	}
	var sources []packs.Source
	for _, dir := range s.cfg.Packs {
		sources = append(sources, packs.Source{Dir: dir, Configs: s.cfg.ConfigsDir()})
	}
	sources = append(sources, packs.Source{Dir: unpacked, Configs: s.cfg.ConfigsDir()})
	content := packs.Load(ctx, sources, specs, checks(s.renderer))
	for _, p := range content.Problems {
		s.log.Warn("there is something wrong in a pack", "problem", p.String())
	}
	s.library = packs.NewLibrary(s.store)
	changes, err := s.library.Register(ctx, content)
	if err != nil {
		return err
	}
	s.masker.Replace("configs", s.library.Snapshot().SecretTexts())
	s.log.Info("packs registered", "packs", len(content.Packs), "actions", len(content.Actions), "rules", len(content.Rules),
		"aliases", len(content.Aliases), "changed", len(changes), "problems", len(content.Problems))
	return nil
}

// checkTimer is the packs.Checks.Trigger of timers.
func checkTimer(triggerType string, parameters json.RawMessage) error {
	switch triggerType {
	case engine.TriggerIntervalTimer, engine.TriggerDateTimer, engine.TriggerCronTimer:
		_, err := schedule.Parse(triggerType, parameters)
		return err
	}
	return nil
}

// catalog is the library as the pipeline sees it.
type catalog struct{ library *packs.Library }

// Current implements pipeline.Catalog.
func (c catalog) Current() pipeline.Content { return c.library.Snapshot() }
