//go:build unix

package python

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"petrel/engine/expression/value"
	"petrel/engine/runners"
	"petrel/engine/runners/content"
)

// launch is everything decided before an action starts.
type launch struct {
	interpreter string
	venv        string // "" when the pack has none
	pack, dir   string
	main        string // what the interpreter runs
	env         []string
	marker      string
	modules     []string // PYTHONPATH
	// ownInterpreter: the environment of the action holds what only a new
	// interpreter takes notice of.
	ownInterpreter bool
	body           *value.Dict // the request
}

// prepare decides how an action is started.
func (s *Script) prepare(job runners.Job, entry content.Entry) (*launch, error) {
	l := &launch{pack: job.Action.Pack, dir: entry.Dir, main: filepath.Join(s.options.Library, "petrel_python", "__main__.py")}
	var err error
	if l.interpreter, l.venv, err = s.interpreter(l.pack); err != nil {
		return nil, err
	}
	own, err := runners.ObjectParam(job.Runner, "env")
	if err != nil {
		return nil, err
	}
	if err := s.environment(l, own, job); err != nil {
		return nil, err
	}
	level, err := runners.TextParam(job.Runner, "log_level")
	if err != nil {
		return nil, err
	}
	config := job.Config
	if config == nil {
		config = value.NewDict(0)
	}
	l.body = value.DictOf("file", absolute(entry.Path), "pack", l.pack, "log_level", level,
		"parameters", job.Params, "config", config, "settings", s.settings(l.pack, entry.Dir))
	if job.Execution != nil {
		l.body.SetString("user", job.Execution.Context.User)
	}
	return l, nil
}

// settings tells pack code where things are.
func (s *Script) settings(pack, dir string) *value.Dict {
	packs := value.NewList()
	for _, dir := range s.options.Packs {
		packs.Items = append(packs.Items, dir)
	}
	settings := value.DictOf("packs", packs, "configs", s.options.Configs, "virtualenvs", s.options.Virtualenvs,
		"pack_dirs", value.DictOf(pack, absolute(dir)))
	if len(s.options.Packs) > 0 {
		settings.SetString("system_packs", s.options.Packs[len(s.options.Packs)-1])
	}
	return settings
}

// interpreter finds the program that runs the actions of a pack.
func (s *Script) interpreter(pack string) (path, venv string, err error) {
	if s.options.Virtualenvs != "" {
		venv = filepath.Join(absolute(s.options.Virtualenvs), pack)
		path = filepath.Join(venv, "bin", "python")
		if _, err := os.Stat(path); err == nil {
			return path, venv, nil
		}
		if _, err := os.Stat(venv); err == nil {
			return "", "", fmt.Errorf("the virtualenv %s of pack %s is broken: it has no bin/python that can be run; set it up anew with: petrel pack setup %s", venv, pack, pack)
		}
	}
	path, err = exec.LookPath(s.options.Interpreter)
	if err != nil {
		return "", "", fmt.Errorf("Python actions need %s, which is not on this machine: %w", s.options.Interpreter, errors.Unwrap(err)) //nolint:staticcheck // a name
	}
	return path, "", nil
}

// environment sets the environment and the module path (StackStorm's order).
func (s *Script) environment(l *launch, own *value.Dict, job runners.Job) error {
	if s.options.CommonLibs {
		l.addModules(filepath.Join(l.dir, "lib"))
	}
	if l.venv != "" {
		versions, err := filepath.Glob(filepath.Join(l.venv, "lib", "python3*"))
		if err != nil {
			return fmt.Errorf("virtualenv of pack %s: %w", l.pack, err)
		}
		for _, dir := range versions {
			l.addModules(dir, filepath.Join(dir, "site-packages"))
		}
	}
	l.addModules(filepath.Join(l.dir, "actions", "lib"))
	inherited := slices.Clone(s.options.Environ)
	l.addModules(filepath.SplitList(lookUp(inherited, "PYTHONPATH"))...)
	l.modules = append(l.modules, s.options.Library)
	if l.venv != "" {
		inherited = append(inherited, "PATH="+filepath.Join(l.venv, "bin")+string(filepath.ListSeparator)+lookUp(inherited, "PATH"))
	}
	inherited = append(inherited, "PYTHONPATH="+strings.Join(l.modules, string(filepath.ListSeparator)))
	usable := value.NewDict(own.Len())
	for k, v := range own.All() {
		name := value.Str(k)
		if strings.EqualFold(name, "PYTHONPATH") {
			continue
		}
		l.ownInterpreter = l.ownInterpreter || readAtStart(name)
		usable.SetString(name, v)
	}
	job.Env = append(slices.Clone(job.Env), clientVariables(job.Env)...)
	var err error
	l.env, l.marker, err = runners.Environment(inherited, usable, job)
	return err
}

// clientVariables are the names under which StackStorm's client looks for what
// actions are told.
func clientVariables(env []string) (more []string) {
	for from, to := range map[string]string{"ST2_ACTION_API_URL": "ST2_API_URL", "ST2_ACTION_AUTH_TOKEN": "ST2_AUTH_TOKEN"} {
		if v := lookUp(env, from); v != "" {
			more = append(more, to+"="+v)
		}
	}
	slices.Sort(more)
	return more
}

// readAtStart tells which variables an interpreter, or the loader below it,
// reads when it starts and never again.
func readAtStart(name string) bool {
	return strings.HasPrefix(name, "PYTHON") || strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "LC_") ||
		strings.HasPrefix(name, "MALLOC_") || strings.HasPrefix(name, "GLIBC_") || name == "LANG" || name == "LANGUAGE" ||
		strings.HasPrefix(name, "OPENSSL_")
}

// addModules adds the folders that exist to the module path.
func (l *launch) addModules(dirs ...string) {
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		dir = absolute(dir)
		if info, err := os.Stat(dir); err == nil && info.IsDir() && !slices.Contains(l.modules, dir) {
			l.modules = append(l.modules, dir)
		}
	}
}

// request is what a new interpreter reads.
func (l *launch) request() ([]byte, error) { return encode(l.body) }

// warmRequest is what a fork reads: it has to be told its environment as well.
func (l *launch) warmRequest() ([]byte, error) {
	env, path := value.NewDict(len(l.env)), value.NewList()
	for _, e := range l.env {
		if name, v, ok := strings.Cut(e, "="); ok && name != "" {
			env.SetString(name, v)
		}
	}
	for _, dir := range l.modules {
		path.Items = append(path.Items, dir)
	}
	body := value.NewDict(l.body.Len() + 2)
	body.Update(l.body)
	body.SetString("env", env)
	body.SetString("path", path)
	return encode(body)
}

func encode(body *value.Dict) ([]byte, error) {
	b, err := value.AppendJSON(nil, body)
	if err != nil {
		return nil, fmt.Errorf("the parameters or the configuration cannot be handed to Python: %w", err)
	}
	return b, nil
}

// lookUp finds a variable; the last of equal ones counts.
func lookUp(env []string, name string) string {
	for _, e := range slices.Backward(env) {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
