package server

import (
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
	dirs := append(slices.Clone(s.cfg.Packs), s.cfg.InstallDir(), builtin.Dir(s.cfg.DataDir))
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
	return append(kinds(s.python, s.chat.PostMessage()), moreKinds(s)...), nil
}

// kinds lists the runners.
func kinds(script *python.Script, say *chatops.PostMessage) []runners.Runner {
	return []runners.Runner{
		shell.NewCommand(shell.Options{}), shell.NewScript(shell.Options{}),
		ssh.NewCommand(ssh.Options{}), ssh.NewScript(ssh.Options{}),
		httprunner.New(httprunner.Options{}), noop.Runner{}, script, say,
	}
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
