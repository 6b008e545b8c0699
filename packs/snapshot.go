package packs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/params"
)

// Snapshot is the registered content at one moment. It and everything it hands
// out is shared and must not be changed.
type Snapshot struct {
	packs        map[string]*Pack
	actions      map[string]*engine.Action
	aliases      map[string]*AliasRecord
	triggerTypes map[string]*engine.TriggerType
	runners      map[string]*engine.Runner
	configs      map[string]*packConfig

	sortedPacks   []*Pack
	sortedActions []*engine.Action
	sortedRules   []*engine.Rule
	sortedTypes   []*engine.TriggerType
	sortedSensors []*engine.Sensor
	policies      map[string][]*engine.Policy // enabled ones, by action
	runnerList    []engine.Runner

	table    *aliases.Table
	problems []aliases.Problem
	replaced chan struct{}
}

// Pack returns the pack of a ref.
func (s *Snapshot) Pack(ref string) (*Pack, bool) { p, ok := s.packs[ref]; return p, ok }

// Packs returns all packs, ordered by ref.
func (s *Snapshot) Packs() []*Pack { return s.sortedPacks }

// Action returns the action of a ref.
func (s *Snapshot) Action(ref string) (*engine.Action, bool) { a, ok := s.actions[ref]; return a, ok }

// Actions returns all actions, ordered by ref.
func (s *Snapshot) Actions() []*engine.Action { return s.sortedActions }

// Runner returns a runner as actions name it: by its name or one of its old
// names, with _ for - if they like.
func (s *Snapshot) Runner(name string) (*engine.Runner, bool) {
	r, ok := s.runners[runnerKey(name)]
	return r, ok
}

// Runners returns all runners, ordered by name.
func (s *Snapshot) Runners() []engine.Runner { return s.runnerList }

// TriggerType returns the trigger type of a ref.
func (s *Snapshot) TriggerType(ref string) (*engine.TriggerType, bool) {
	t, ok := s.triggerTypes[ref]
	return t, ok
}

// TriggerTypes returns all trigger types, ordered by ref.
func (s *Snapshot) TriggerTypes() []*engine.TriggerType { return s.sortedTypes }

// Rules returns all rules, disabled ones included, ordered by ref.
func (s *Snapshot) Rules() []*engine.Rule { return s.sortedRules }

// Sensors returns all sensors, disabled ones included, ordered by ref.
func (s *Snapshot) Sensors() []*engine.Sensor { return s.sortedSensors }

// Policies returns the enabled policies of an action, ordered by ref.
func (s *Snapshot) Policies(action string) []*engine.Policy { return s.policies[action] }

// Config returns the configuration of a pack, nil when it has neither a schema nor
// values. The error says what is wrong with the files that are there.
func (s *Snapshot) Config(pack string) (*params.Config, error) {
	c := s.configs[pack]
	switch {
	case c == nil:
		return nil, nil
	case c.err != nil:
		return nil, fmt.Errorf("the configuration of pack %s cannot be used: %w", pack, c.err)
	}
	return c.config, nil
}

// Alias returns the alias of a ref.
func (s *Snapshot) Alias(ref string) (*AliasRecord, bool) { a, ok := s.aliases[ref]; return a, ok }

// AliasTable returns all aliases, ready for matching.
func (s *Snapshot) AliasTable() *aliases.Table { return s.table }

// AliasProblems names the aliases that were left out of the table, and why.
func (s *Snapshot) AliasProblems() []aliases.Problem { return s.problems }

// Replaced is closed when a newer snapshot is there.
func (s *Snapshot) Replaced() <-chan struct{} { return s.replaced }

func newSnapshot(r *registered, runners []engine.Runner, configs map[string]*packConfig) *Snapshot {
	s := &Snapshot{
		packs:        make(map[string]*Pack, len(r.packs)),
		actions:      make(map[string]*engine.Action, len(r.actions)),
		aliases:      make(map[string]*AliasRecord, len(r.aliases)),
		triggerTypes: make(map[string]*engine.TriggerType, len(r.triggerTypes)),
		runners:      map[string]*engine.Runner{},
		configs:      configs,
		replaced:     make(chan struct{}),
	}
	s.sortedPacks = fileUnder(s.packs, r.packs, func(p *Pack) string { return p.Ref })
	s.sortedActions = fileUnder(s.actions, r.actions, func(a *engine.Action) string { return a.Ref })
	s.sortedTypes = fileUnder(s.triggerTypes, r.triggerTypes, func(t *engine.TriggerType) string { return t.Ref })
	s.sortedRules = fileUnder(nil, r.rules, func(r *engine.Rule) string { return r.Ref })
	s.sortedSensors = fileUnder(nil, r.sensors, func(s *engine.Sensor) string { return s.Ref })
	s.policies = map[string][]*engine.Policy{}
	for _, p := range fileUnder(nil, r.policies, func(p *engine.Policy) string { return p.Ref }) {
		if p.Enabled {
			s.policies[p.ResourceRef] = append(s.policies[p.ResourceRef], p)
		}
	}
	records := fileUnder(s.aliases, r.aliases, func(a *AliasRecord) string { return a.Ref })
	s.runnerList = slices.SortedFunc(slices.Values(runners), func(a, b engine.Runner) int { return cmp.Compare(a.Name, b.Name) })
	for i := range s.runnerList {
		runner := &s.runnerList[i]
		for _, name := range append([]string{runner.Name}, runner.Aliases...) {
			s.runners[runnerKey(name)] = runner
		}
	}
	defs := make([]aliases.Definition, len(records))
	for i, a := range records {
		defs[i] = a.Definition
	}
	s.table, s.problems = aliases.NewTable(defs)
	return s
}

// fileUnder sorts entities by ref and files them in a map, when there is one.
func fileUnder[T any](m map[string]*T, list []*T, ref func(*T) string) []*T {
	sorted := slices.SortedFunc(slices.Values(list), func(a, b *T) int { return strings.Compare(ref(a), ref(b)) })
	for _, v := range sorted {
		if m != nil {
			m[ref(v)] = v
		}
	}
	return sorted
}

// Configured lists the packs that have a configuration or a schema for one.
func (c *Content) Configured() []string { return slices.Sorted(maps.Keys(c.configs)) }

// SecretTexts lists the texts of secret items that stand in configurations.
func (s *Snapshot) SecretTexts() []string {
	var texts []string
	for _, c := range s.configs {
		if c.config != nil {
			texts = append(texts, c.config.Secrets()...)
		}
	}
	return texts
}
