package packs

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"petrel/aliases"
	"petrel/engine"
)

// Content is what Load found: everything usable, in the order of packs and
// files, and everything that is wrong.
type Content struct {
	Packs        []*Pack
	Actions      []*engine.Action
	Rules        []*engine.Rule
	Aliases      []*AliasRecord
	TriggerTypes []*engine.TriggerType
	Sensors      []*engine.Sensor
	Policies     []*engine.Policy
	Runners      []engine.Runner // as given to Load
	Problems     []Problem

	// configs holds the configurations of packs, by ref.
	configs map[string]*packConfig
	// broken lists the metadata files of a pack that could not be used; what
	// was registered from them before stays.
	broken map[string][]string
	// unread lists folders whose packs could not be looked at; they stay too.
	unread []string
}

// Definitions returns the aliases as the alias package takes them.
func (c *Content) Definitions() []aliases.Definition {
	defs := make([]aliases.Definition, len(c.Aliases))
	for i, a := range c.Aliases {
		defs[i] = a.Definition
	}
	return defs
}

// kinds are the folders of a pack that hold metadata, in the order of loading.
var kinds = []string{"triggers", "sensors", "actions", "rules", "aliases", "policies"}

// Load reads all packs of the sources. It never fails as a whole: what is wrong
// is in Problems, and a broken file takes only itself out. Of two packs with
// the same ref the one of the earlier source is used. Runners are those that
// actions may name; checks are asked about rules.
func Load(ctx context.Context, sources []Source, runners []engine.Runner, checks Checks) *Content {
	l := &loader{checks: checks, overridden: map[string]map[string]override{}, content: &Content{Runners: runners, broken: map[string][]string{}, configs: map[string]*packConfig{}}, runners: map[string]engine.Runner{}}
	for _, r := range runners {
		for _, name := range append([]string{r.Name}, r.Aliases...) {
			l.runners[runnerKey(name)] = r
		}
		l.runnerNames = append(l.runnerNames, r.Name)
	}
	slices.Sort(l.runnerNames)
	taken := map[string]*Pack{}
	for _, s := range sources {
		dirs, err := s.folders()
		if err != nil {
			l.content.unread = append(l.content.unread, s.Dir)
			l.problem(s.Dir, "the folder of packs cannot be read: %s", reason(err))
			continue
		}
		for _, d := range dirs {
			l.pack(ctx, d, taken)
		}
	}
	l.crossCheck()
	return l.content
}

type loader struct {
	content     *Content
	runners     map[string]engine.Runner
	runnerNames []string
	checks      Checks
	overridden  map[string]map[string]override // files of overrides, by path
}

func (l *loader) problem(name, format string, args ...any) {
	l.content.Problems = append(l.content.Problems, Problem{File: name, Message: fmt.Sprintf(format, args...)})
}

// pack loads one folder.
func (l *loader) pack(ctx context.Context, d folder, taken map[string]*Pack) {
	f := &file{name: d.shown(manifest)}
	body, err := fs.ReadFile(d.fsys, manifest)
	if err != nil {
		f.report(0, "cannot be read: %s", reason(err))
	}
	var p *Pack
	if err == nil {
		p = readPack(f, d, body)
	}
	if p != nil && taken[p.Ref] != nil {
		f.warn(0, "pack %s is already loaded from %s; this copy is not used", p.Ref, taken[p.Ref].Path)
		l.content.Problems = append(l.content.Problems, f.problems...)
		return
	}
	if p == nil {
		l.content.unread = append(l.content.unread, d.dir)
		l.content.Problems = append(l.content.Problems, f.problems...)
		return
	}
	if p.Files, err = d.files(); err != nil {
		f.warn(0, "the files of the pack cannot be listed: %s", reason(err))
	}
	taken[p.Ref] = p
	l.content.Packs = append(l.content.Packs, p)
	l.content.Problems = append(l.content.Problems, f.problems...)
	l.config(d, p)
	for _, kind := range kinds {
		l.kind(ctx, d, p, kind)
	}
}

// loaded is what came of one file.
type loaded struct {
	file   *file
	name   string // metadata_file
	entity any
}

// kind loads the files of one folder, several at a time, and takes the results
// in their order.
func (l *loader) kind(ctx context.Context, d folder, p *Pack, kind string) {
	names, err := d.metadataFiles(kind)
	if err != nil {
		l.problem(d.shown(kind), "cannot be read: %s", reason(err))
		l.content.unread = append(l.content.unread, d.dir)
		return
	}
	results := make([]loaded, len(names))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			results[i] = l.file(d, p, kind, name)
			return nil
		})
	}
	group.Wait() // no error: problems are results
	if err := ctx.Err(); err != nil {
		l.problem(d.shown(kind), "not read to the end: %s", err)
		l.content.unread = append(l.content.unread, d.dir)
		return
	}
	seen := map[string]string{}
	for _, r := range results {
		if r.entity != nil {
			l.overrides(d, p.Ref).apply(r.entity)
		}
		l.take(r, p, seen)
	}
}

// file reads one metadata file. It runs beside others and touches nothing shared.
func (l *loader) file(d folder, p *Pack, kind, name string) loaded {
	f := &file{name: d.shown(name)}
	r := loaded{file: f, name: name}
	body, err := fs.ReadFile(d.fsys, name)
	if err != nil {
		f.report(0, "cannot be read: %s", reason(err))
		return r
	}
	o := f.parse(body)
	if o == nil {
		return r
	}
	switch kind {
	case "triggers":
		if t := readTriggerType(f, o, p, name); t != nil {
			r.entity = t
		}
	case "sensors":
		if s := readSensor(f, o, d, p, name); s != nil {
			r.entity = s
		}
	case "policies":
		if policy := readPolicy(f, o, p, name); policy != nil {
			r.entity = policy
		}
	case "actions":
		if a := l.readAction(f, o, d, p, name); a != nil {
			r.entity = a
		}
	case "rules":
		if rule := l.readRule(f, o, p, name); rule != nil {
			r.entity = rule
		}
	case "aliases":
		if a := l.readAlias(f, o, p, name); a != nil {
			r.entity = a
		}
	}
	return r
}

// take adds the result of one file to the content.
func (l *loader) take(r loaded, p *Pack, seen map[string]string) {
	c := l.content
	if r.entity == nil {
		c.broken[p.Ref] = append(c.broken[p.Ref], r.name)
		c.Problems = append(c.Problems, r.file.problems...)
		return
	}
	if ref := refOf(r.entity); seen[ref] != "" {
		r.file.warn(0, "%s is already defined in %s; this file is not used", ref, seen[ref])
		c.Problems = append(c.Problems, r.file.problems...)
		return
	} else {
		seen[ref] = r.name
	}
	c.Problems = append(c.Problems, r.file.problems...)
	switch e := r.entity.(type) {
	case *engine.TriggerType:
		c.TriggerTypes = append(c.TriggerTypes, e)
	case *sensorFile:
		c.Sensors = append(c.Sensors, e.sensor)
		for _, t := range e.types {
			// Several sensors of a pack may emit one type; the first one that says
			// what its payload holds describes it.
			switch at := slices.IndexFunc(c.TriggerTypes, func(known *engine.TriggerType) bool { return known.Ref == t.Ref }); {
			case at < 0:
				c.TriggerTypes = append(c.TriggerTypes, t)
			case c.TriggerTypes[at].PayloadSchema == nil && t.PayloadSchema != nil:
				c.TriggerTypes[at] = t
			}
		}
	case *engine.Policy:
		c.Policies = append(c.Policies, e)
	case *engine.Action:
		c.Actions = append(c.Actions, e)
	case *engine.Rule:
		c.Rules = append(c.Rules, e)
	case *AliasRecord:
		c.Aliases = append(c.Aliases, e)
	}
}

// runner finds a runner as an action names it.
func (l *loader) runner(name string) (engine.Runner, bool) {
	r, ok := l.runners[runnerKey(name)]
	return r, ok
}

// runnerKey is the form in which runners are looked up: _ in a name stands for -.
func runnerKey(name string) string { return strings.ReplaceAll(name, "_", "-") }

func refOf(entity any) string {
	switch e := entity.(type) {
	case *engine.TriggerType:
		return e.Ref
	case *sensorFile:
		return e.sensor.Ref
	case *engine.Policy:
		return e.Ref
	case *engine.Action:
		return e.Ref
	case *engine.Rule:
		return e.Ref
	case *AliasRecord:
		return e.Ref
	}
	return ""
}

// reason shortens a file error to what a person needs.
func reason(err error) string {
	if isAbsent(err) {
		return "it does not exist"
	}
	text := err.Error()
	if at := strings.LastIndex(text, ": "); at >= 0 {
		return text[at+2:]
	}
	return text
}

func (c *Content) packByRef(ref string) *Pack {
	for _, p := range c.Packs {
		if p.Ref == ref {
			return p
		}
	}
	return nil
}

// shown is how a metadata file of a loaded pack is named in problems.
func (c *Content) shown(pack, metadataFile string) string {
	if p := c.packByRef(pack); p != nil {
		return filepath.Join(p.Path, filepath.FromSlash(metadataFile))
	}
	return metadataFile
}
