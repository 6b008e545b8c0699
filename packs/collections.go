package packs

import (
	"petrel/engine"
	"petrel/store"
)

// The collections that content is kept in. Documents are filed under
// ("all", "") and ("pack", pack), ordered by ref.

// PackCollection holds the records of packs.
func PackCollection() store.Collection[Pack] {
	return store.Collection[Pack]{Name: "packs", Index: func(p *Pack) []store.IndexEntry {
		return []store.IndexEntry{{Index: "all", Sort: p.Ref}}
	}}
}

// ActionCollection holds actions.
func ActionCollection() store.Collection[engine.Action] {
	return store.Collection[engine.Action]{Name: "actions", Index: func(a *engine.Action) []store.IndexEntry {
		return byPack(a.Pack, a.Ref)
	}}
}

// RuleCollection holds rules.
func RuleCollection() store.Collection[engine.Rule] {
	return store.Collection[engine.Rule]{Name: "rules", Index: func(r *engine.Rule) []store.IndexEntry {
		return byPack(r.Pack, r.Ref)
	}}
}

// AliasCollection holds action aliases.
func AliasCollection() store.Collection[AliasRecord] {
	return store.Collection[AliasRecord]{Name: "action_aliases", Index: func(a *AliasRecord) []store.IndexEntry {
		return byPack(a.Pack, a.Ref)
	}}
}

// TriggerTypeCollection holds trigger types.
func TriggerTypeCollection() store.Collection[engine.TriggerType] {
	return store.Collection[engine.TriggerType]{Name: "trigger_types", Index: func(t *engine.TriggerType) []store.IndexEntry {
		return byPack(t.Pack, t.Ref)
	}}
}

// SensorCollection holds sensors.
func SensorCollection() store.Collection[engine.Sensor] {
	return store.Collection[engine.Sensor]{Name: "sensors", Index: func(s *engine.Sensor) []store.IndexEntry {
		return byPack(s.Pack, s.Ref)
	}}
}

// PolicyCollection holds policies.
func PolicyCollection() store.Collection[engine.Policy] {
	return store.Collection[engine.Policy]{Name: "policies", Index: func(p *engine.Policy) []store.IndexEntry {
		return byPack(p.Pack, p.Ref)
	}}
}

func byPack(pack, ref string) []store.IndexEntry {
	return []store.IndexEntry{{Index: "all", Sort: ref}, {Index: "pack", Value: pack, Sort: ref}}
}
