package server

import (
	"context"
	"encoding/json"
	"fmt"

	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/engine/runners"
	httprunner "petrel/engine/runners/http"
	"petrel/engine/runners/noop"
	"petrel/engine/runners/shell"
	"petrel/engine/runners/ssh"
	"petrel/engine/sensors/schedule"
	"petrel/packs"
	"petrel/packs/builtin"
)

// runners lists every kind of action that this program can carry out.
func (s *Server) runners() []runners.Runner {
	return []runners.Runner{
		shell.NewCommand(shell.Options{}), shell.NewScript(shell.Options{}),
		ssh.NewCommand(ssh.Options{}), ssh.NewScript(ssh.Options{}),
		httprunner.New(httprunner.Options{}), noop.Runner{}, s.chat.PostMessage(),
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
		sources = append(sources, packs.Dir(dir))
	}
	content := packs.Load(ctx, append(sources, packs.Dir(unpacked)), specs, packs.Checks{
		Trigger: checkTimer,
		When:    func(rule *engine.Rule) error { return pipeline.CheckWhen(s.renderer, rule) },
	})
	for _, p := range content.Problems {
		s.log.Warn("there is something wrong in a pack", "problem", p.String())
	}
	s.library = packs.NewLibrary(s.store)
	changes, err := s.library.Register(ctx, content)
	if err != nil {
		return err
	}
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
