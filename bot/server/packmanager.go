package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
	"petrel/packs"
	"petrel/packs/install"
	"petrel/packs/virtualenv"
)

// packManager is the runner behind the pack `packs`: what an action does is in its
// name.
type packManager struct{ server *Server }

// Spec implements runners.Runner.
func (*packManager) Spec() engine.Runner {
	return engine.Runner{
		Name: "pack-manager", Description: "Carries out the actions of the built-in pack packs.", Enabled: true, Parameters: json.RawMessage(`{}`),
	}
}

// packTimeout bounds what installs when the action says nothing.
const packTimeout = 10 * time.Minute

// Run implements runners.Runner.
func (m *packManager) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	operations := map[string]func(context.Context, runners.Job) (any, error){
		"install": m.install, "download": m.download, "uninstall": m.uninstall, "delete": m.remove, "load": m.load,
		"get": m.get, "search": m.search, "show": m.show, "setup_virtualenv": m.setUp, "update_virtualenv": m.setUp,
	}
	operate := operations[job.Action.Name]
	if job.Action.Pack != "packs" || operate == nil {
		return runners.Failure("the runner pack-manager runs the actions of the built-in pack packs only"), nil
	}
	timeout, err := runners.SecondsParam(job.Params, "timeout", packTimeout)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	result, err := operate(limited, job)
	switch {
	case err != nil && ctx.Err() != nil:
		return runners.Outcome{Status: engine.Canceled, Result: runners.Failure(context.Cause(ctx).Error()).Result}, nil
	case errors.Is(err, context.DeadlineExceeded):
		out := runners.Failure(fmt.Sprintf("it was not done within %s", timeout))
		out.Status = engine.TimedOut
		return out, nil
	case err != nil:
		return runners.Failure(err.Error()), nil
	}
	body, err := json.Marshal(result)
	return runners.Outcome{Status: engine.Succeeded, Result: body}, err
}

// output is where the progress of a job goes.
type output struct{ job runners.Job }

// Write implements io.Writer.
func (o output) Write(p []byte) (int, error) {
	o.job.Output(runners.Stdout, bytes.Clone(p))
	return len(p), nil
}

func (m *packManager) options(ctx context.Context, job runners.Job) (install.Options, error) {
	o, err := InstallOptions(ctx, m.server.cfg)
	o.Progress = output{job}
	for name, to := range map[string]*bool{"force": &o.Force, "skip_dependencies": &o.SkipDependencies} {
		if err == nil {
			*to, err = runners.BoolParam(job.Params, name, false)
		}
	}
	return o, err
}

// names reads a list of texts.
func names(job runners.Job, name string) ([]string, error) {
	v, _ := job.Params.GetString(name)
	list, ok := v.(*value.List)
	if v != nil && !ok {
		return nil, fmt.Errorf("parameter %s must be a list", name)
	}
	var texts []string
	if list != nil {
		for _, item := range list.Items {
			text, ok := item.(string)
			if !ok || strings.TrimSpace(text) == "" {
				return nil, fmt.Errorf("parameter %s must hold names, not %s", name, value.Repr(item))
			}
			texts = append(texts, strings.TrimSpace(text))
		}
	}
	return texts, nil
}

func wanted(job runners.Job) ([]string, error) {
	list, err := names(job, "packs")
	if err == nil && len(list) == 0 {
		err = errors.New("parameter packs is empty; name a pack")
	}
	return list, err
}

func (m *packManager) install(ctx context.Context, job runners.Job) (any, error) {
	list, err := wanted(job)
	if err != nil {
		return nil, err
	}
	o, err := m.options(ctx, job)
	if err != nil {
		return nil, err
	}
	done, err := install.Install(ctx, o, list...)
	if err != nil {
		return nil, err
	}
	if _, err := m.server.RegisterPacks(ctx); err != nil {
		return nil, fmt.Errorf("the packs are installed, but not registered: %w", err)
	}
	var texts, warnings []string
	for _, d := range done {
		texts = append(texts, d.Ref+" "+d.Version)
		for _, w := range d.Warnings {
			warnings = append(warnings, d.Ref+": "+w)
		}
	}
	return map[string]any{"packs": done, "message": "Installed: " + strings.Join(texts, ", "), "warnings": append([]string{}, warnings...)}, nil
}

func (m *packManager) download(ctx context.Context, job runners.Job) (any, error) {
	list, err := wanted(job)
	if err != nil {
		return nil, err
	}
	o, err := m.options(ctx, job)
	if err != nil {
		return nil, err
	}
	o.Virtualenv, o.SkipDependencies = virtualenv.Options{}, true
	done, err := install.Install(ctx, o, list...)
	result := map[string]string{}
	for _, d := range done {
		result[d.Ref] = "Success."
	}
	return result, err
}

func (m *packManager) uninstall(ctx context.Context, job runners.Job) (any, error) {
	result, err := m.remove(ctx, job)
	if err != nil {
		return nil, err
	}
	if _, err := m.server.RegisterPacks(ctx); err != nil {
		return nil, fmt.Errorf("the packs are removed, but that is not registered: %w", err)
	}
	return result, nil
}

func (m *packManager) remove(ctx context.Context, job runners.Job) (any, error) {
	list, err := wanted(job)
	if err != nil {
		return nil, err
	}
	o, err := m.options(ctx, job)
	if err != nil {
		return nil, err
	}
	if both, err := runners.BoolParam(job.Params, "delete_env", true); err != nil || !both {
		o.Virtualenv.Dir = ""
	}
	if err := install.Uninstall(ctx, o, list...); err != nil {
		return nil, err
	}
	return map[string]any{"packs": list, "message": "Removed: " + strings.Join(list, ", ")}, nil
}

func (m *packManager) load(ctx context.Context, job runners.Job) (any, error) {
	list, err := names(job, "packs")
	if err != nil {
		return nil, err
	}
	done, err := m.server.RegisterPacks(ctx)
	if err != nil {
		return nil, err
	}
	return done.Counts(list, true)
}

// pack finds a registered pack.
func (m *packManager) pack(ref string) (*packs.Pack, error) {
	p, ok := m.server.library.Snapshot().Pack(ref)
	if !ok {
		return nil, fmt.Errorf("pack %s is not installed", ref)
	}
	return p, nil
}

func (m *packManager) get(ctx context.Context, job runners.Job) (any, error) {
	ref, err := runners.TextParam(job.Params, "pack")
	if err != nil {
		return nil, err
	}
	p, err := m.pack(ref)
	if err != nil {
		return nil, err
	}
	shown := *p
	shown.Files = nil
	cmd := exec.CommandContext(ctx, "git", "-C", p.Path, "status", "--branch", "--short")
	status, err := cmd.Output()
	if err != nil {
		status = []byte("it was not installed with git")
	}
	if _, err := filepath.EvalSymlinks(filepath.Join(p.Path, ".git")); err != nil {
		status = []byte("it was not installed with git")
	}
	return map[string]any{"pack": shown, "git_status": strings.TrimSpace(string(status))}, nil
}

func (m *packManager) search(ctx context.Context, job runners.Job) (any, error) {
	query, err := runners.TextParam(job.Params, "query")
	if err != nil {
		return nil, err
	}
	index, err := install.LoadIndex(ctx, m.server.cfg.PackIndex)
	if index == nil {
		return nil, err
	}
	return map[string]any{"packs": append([]install.Entry{}, index.Search(query)...)}, nil
}

func (m *packManager) show(ctx context.Context, job runners.Job) (any, error) {
	ref, err := runners.TextParam(job.Params, "pack")
	if err != nil {
		return nil, err
	}
	index, err := install.LoadIndex(ctx, m.server.cfg.PackIndex)
	if index == nil {
		return nil, err
	}
	e, ok := index[ref]
	if !ok {
		return nil, fmt.Errorf("there is no pack %s in the index", ref)
	}
	return map[string]any{"pack": e}, nil
}

// setUp makes the virtualenvs of packs, or brings them up to date.
func (m *packManager) setUp(ctx context.Context, job runners.Job) (any, error) {
	list, err := wanted(job)
	if err != nil {
		return nil, err
	}
	o := virtualenv.Options{Dir: m.server.cfg.VirtualenvsDir(), Interpreter: m.server.cfg.Python.Interpreter, Progress: output{job}}
	if o.Update, err = runners.BoolParam(job.Params, "update", job.Action.Name == "update_virtualenv"); err != nil {
		return nil, err
	}
	slices.Sort(list)
	var made []string
	for _, ref := range list {
		p, err := m.pack(ref)
		if err != nil {
			return nil, err
		}
		r, err := virtualenv.Setup(ctx, o, virtualenv.Pack{Ref: ref, Dir: p.Path})
		if err != nil {
			return nil, err
		}
		if r.Needed {
			made = append(made, ref)
		}
	}
	return map[string]any{"virtualenvs": append([]string{}, made...)}, nil
}
