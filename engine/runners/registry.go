package runners

import (
	"fmt"
	"slices"
	"strings"

	"petrel/engine"
)

// Registry finds runners by name. It does not change once built.
type Registry struct {
	byName map[string]Runner
	specs  []engine.Runner
}

// NewRegistry registers runners under their names and aliases. Two runners that
// want the same name are an error.
func NewRegistry(list ...Runner) (*Registry, error) {
	r := &Registry{byName: make(map[string]Runner, len(list))}
	for _, runner := range list {
		spec := runner.Spec()
		for _, name := range append([]string{spec.Name}, spec.Aliases...) {
			if name == "" {
				return nil, fmt.Errorf("register runner %T: it has no name", runner)
			}
			if other, taken := r.byName[name]; taken {
				return nil, fmt.Errorf("register runner %s: the name %s belongs to runner %s", spec.Name, name, other.Spec().Name)
			}
			r.byName[name] = runner
		}
		r.specs = append(r.specs, spec)
	}
	slices.SortFunc(r.specs, func(a, b engine.Runner) int { return strings.Compare(a.Name, b.Name) })
	return r, nil
}

// Get finds a runner by name or alias. A name that is unknown is tried with
// hyphens for underscores (local_shell_cmd).
func (r *Registry) Get(name string) (Runner, bool) {
	if runner, ok := r.byName[name]; ok {
		return runner, true
	}
	runner, ok := r.byName[strings.ReplaceAll(name, "_", "-")]
	return runner, ok
}

// Specs describes all runners, sorted by name. The slice is the caller's.
func (r *Registry) Specs() []engine.Runner { return slices.Clone(r.specs) }
