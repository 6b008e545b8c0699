package server

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"petrel/bot/chatops"
	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/pipeline"
	"petrel/engine/runners"
	"petrel/engine/runners/ask"
	"petrel/engine/runners/flow"
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
	return append(kinds(s.python, s.chat), moreKinds(s)...), nil
}

// kinds lists the runners. Those of a nil chat only tell what they are.
func kinds(script *python.Script, chat *chatops.Chat) []runners.Runner {
	return append(flow.Runners(),
		shell.NewCommand(shell.Options{}), shell.NewScript(shell.Options{}),
		ssh.NewCommand(ssh.Options{}), ssh.NewScript(ssh.Options{}),
		httprunner.New(httprunner.Options{}), noop.Runner{}, ask.Runner{}, script, chat.PostMessage(), chat.Actions(),
	)
}

// BuiltinName is how CheckPacks names the folder of the built-in packs.
const BuiltinName = "built-in packs"

// checks are what content is asked that packs do not know.
func checks(renderer *expression.Renderer) packs.Checks {
	return packs.Checks{
		Trigger: checkTimer,
		When:    func(rule *engine.Rule) error { return pipeline.CheckWhen(renderer, rule) },
		Workflow: func(a *engine.Action, file string, text []byte) []packs.Problem {
			return checkWorkflow(renderer, a, file, text)
		},
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

// checkWorkflow is the packs.Checks.Workflow: what the conductor would refuse.
func checkWorkflow(renderer *expression.Renderer, a *engine.Action, file string, text []byte) []packs.Problem {
	var found []packs.Problem
	for _, p := range pipeline.CheckWorkflow(renderer, a, file, text) {
		message := p.Message
		if p.SpecPath != "" {
			message = p.SpecPath + ": " + message
		}
		if p.Expression != "" && !strings.Contains(message, p.Expression) {
			message += " in " + p.Expression
		}
		found = append(found, packs.Problem{File: file, Line: p.Line, Message: message, Warning: true})
	}
	return found
}
