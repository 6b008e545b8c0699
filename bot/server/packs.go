package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"petrel/bot/api"
	"petrel/config"
	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/runners"
	"petrel/packs"
	"petrel/packs/builtin"
	"petrel/packs/install"
	"petrel/packs/virtualenv"
	"petrel/store"
)

// eventReload asks the other processes to read their packs again; its key is the
// node that asks.
const eventReload = "packs.reload"

// PackFolders lists the folders that packs are read from, the built-in packs left
// out, in their order.
func PackFolders(cfg *config.Config) []string {
	dirs := slices.Clone(cfg.Packs)
	if _, err := os.Stat(cfg.InstallDir()); err == nil {
		dirs = append(dirs, cfg.InstallDir())
	}
	return dirs
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
	registry, err := runners.NewRegistry(append(kinds(nil, nil), moreKinds(nil)...)...)
	if err != nil {
		return nil, err
	}
	return packs.Load(ctx, sources, registry.Specs(), checks(expression.New(expression.Options{}))), nil
}

// readPacks reads everything that a server with this configuration registers.
func readPacks(ctx context.Context, cfg *config.Config, specs []engine.Runner, renderer *expression.Renderer) (*packs.Content, error) {
	unpacked, err := builtin.Unpack(cfg.DataDir)
	if err != nil {
		return nil, fmt.Errorf("unpack the built-in packs: %w", err)
	}
	var sources []packs.Source
	for _, dir := range append(PackFolders(cfg), unpacked) {
		sources = append(sources, packs.Source{Dir: dir, Configs: cfg.ConfigsDir(), Overrides: cfg.OverridesDir()})
	}
	return packs.Load(ctx, sources, specs, checks(renderer)), nil
}

// loadPacks reads the packs and registers them. What is wrong with a pack is
// logged with its place and keeps no other pack from working.
func (s *Server) loadPacks(ctx context.Context) (api.Registration, error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	content, err := readPacks(ctx, s.cfg, s.specs, s.renderer)
	if err != nil {
		return api.Registration{}, err
	}
	for _, p := range content.Problems {
		s.log.Warn("there is something wrong in a pack", "problem", p.String())
	}
	changes, err := s.library.Register(ctx, content)
	if err != nil {
		return api.Registration{}, err
	}
	s.masker.Replace("configs", s.library.Snapshot().SecretTexts())
	s.log.Info("packs registered", "packs", len(content.Packs), "actions", len(content.Actions), "rules", len(content.Rules),
		"aliases", len(content.Aliases), "changed", len(changes), "problems", len(content.Problems))
	return registration(content, changes), nil
}

func registration(c *packs.Content, changes []packs.Change) api.Registration {
	r := api.Registration{Changes: changes, Runners: len(c.Runners), Packs: map[string]api.PackCount{}}
	for _, p := range c.Packs {
		r.Packs[p.Ref] = api.PackCount{Path: p.Path}
	}
	add := func(pack string, f func(*api.PackCount)) {
		n := r.Packs[pack]
		f(&n)
		r.Packs[pack] = n
	}
	for _, a := range c.Actions {
		add(a.Pack, func(n *api.PackCount) { n.Actions++ })
	}
	for _, rule := range c.Rules {
		add(rule.Pack, func(n *api.PackCount) { n.Rules++ })
	}
	for _, a := range c.Aliases {
		add(a.Pack, func(n *api.PackCount) { n.Aliases++ })
	}
	for _, t := range c.TriggerTypes {
		add(t.Pack, func(n *api.PackCount) { n.Triggers++ })
	}
	for _, ref := range c.Configured() {
		add(ref, func(n *api.PackCount) { n.Configs++ })
	}
	for _, p := range c.Problems {
		r.Problems = append(r.Problems, api.PackProblem{Text: p.String(), File: p.File, Warning: p.Warning})
	}
	return r
}

// RegisterPacks reads the packs of this machine anew, and has the other processes
// read theirs.
func (s *Server) RegisterPacks(ctx context.Context) (api.Registration, error) {
	r, err := s.loadPacks(ctx)
	if err != nil {
		return r, err
	}
	return r, s.store.Commit(ctx, &store.Batch{Events: []store.Event{{Type: eventReload, Key: s.member.node.Name}}})
}

// RegisterPacks registers the packs of a configuration in a store that no server
// runs on.
func RegisterPacks(ctx context.Context, cfg *config.Config, log *slog.Logger) (r api.Registration, err error) {
	b, err := OpenStore(ctx, cfg, log)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	registry, err := runners.NewRegistry(append(kinds(nil, nil), moreKinds(nil)...)...)
	if err != nil {
		return r, err
	}
	content, err := readPacks(ctx, cfg, registry.Specs(), expression.New(expression.Options{}))
	if err != nil {
		return r, err
	}
	changes, err := packs.NewLibrary(b).Register(ctx, content)
	if err != nil {
		return r, err
	}
	return registration(content, changes), b.Commit(ctx, &store.Batch{Events: []store.Event{{Type: eventReload}}})
}

// InstallOptions are those that fit a configuration.
func InstallOptions(ctx context.Context, cfg *config.Config) (install.Options, error) {
	o := install.Options{
		Dir: cfg.InstallDir(), Index: cfg.PackIndex, Others: map[string]string{},
		Virtualenv: virtualenv.Options{Dir: cfg.VirtualenvsDir(), Interpreter: cfg.Python.Interpreter},
	}
	content, err := CheckPacks(ctx, cfg.Packs, "")
	if err != nil {
		return o, err
	}
	for _, p := range content.Packs {
		o.Others[p.Ref] = p.Path
	}
	o.Others["builtin"] = "use for the built-in packs" // the name of their folder
	return o, nil
}
