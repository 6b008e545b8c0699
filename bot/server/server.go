// Package server is the composition root: it makes the parts from the
// configuration, introduces them to each other, starts them in order and stops
// them in the opposite one. It is the only package that knows everybody.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"petrel/adapters"
	"petrel/adapters/terminal"
	"petrel/bot/api"
	"petrel/bot/chatops"
	"petrel/config"
	"petrel/engine"
	"petrel/engine/datastore"
	"petrel/engine/expression"
	"petrel/engine/pipeline"
	"petrel/engine/runners"
	"petrel/engine/runners/python"
	"petrel/engine/secrets"
	"petrel/engine/sensors"
	"petrel/packs"
	"petrel/store"
)

// Options change how a Server is made.
type Options struct {
	// Roles are the parts that this process takes; none means all.
	Roles  Roles
	Now    func() time.Time // nil means time.Now
	Logger *slog.Logger
}

// Server is the whole program, minus the command line.
type Server struct {
	cfg   *config.Config
	roles Roles
	now   func() time.Time
	log   *slog.Logger

	masker   *secrets.Masker
	items    *datastore.Service
	store    store.Backend
	member   *member
	renderer *expression.Renderer
	specs    []engine.Runner
	library  *packs.Library
	loading  sync.Mutex // one reading of the packs at a time
	service  *pipeline.Service
	workers  *pipeline.Workers
	chat     *chatops.Chat
	room     *terminal.Server
	adapters []adapters.Adapter // of the chat platforms, the terminal not among them
	timers   *sensors.Timers
	python   *python.Script
	payloads payloads

	http         *http.Server
	httpListener net.Listener
	socket       net.Listener

	ready chan struct{}
}

// New opens the store, registers the packs and binds the listeners. Nothing
// moves until Run. Close releases what New took when Run is never called.
func New(ctx context.Context, cfg *config.Config, o Options) (_ *Server, err error) {
	masker := &secrets.Masker{}
	s := &Server{
		cfg: cfg, roles: o.Roles, now: o.Now, masker: masker, ready: make(chan struct{}),
		log: slog.New(secrets.LogHandler(o.Logger.Handler(), masker)),
	}
	if len(s.roles) == 0 {
		s.roles = AllRoles
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := os.MkdirAll(cfg.DataDir, 0o750); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	if err := s.openStore(ctx); err != nil {
		return nil, err
	}
	if s.member, err = enlist(ctx, s.store, cfg.Node, s.roles, s.log); err != nil {
		return nil, err
	}
	s.room = terminal.New(terminal.Options{
		Journal: journal{s.store}, Logger: s.log.With("adapter", "terminal"),
		BotName: cfg.Chat.Name, Prefix: cfg.Chat.Prefix,
	})
	if s.adapters, err = Adapters(cfg, s.log); err != nil {
		return nil, err
	}
	if err := s.assemble(ctx); err != nil {
		return nil, err
	}
	return s, s.listen(ctx)
}

// storePatience is how long a starting program waits for a store that is away,
// such as a Redis that restarts.
const storePatience = 20 * time.Second

func (s *Server) openStore(ctx context.Context) (err error) {
	for began, pause := time.Now(), 250*time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		s.store, err = OpenStore(ctx, s.cfg, s.log)
		if !errors.Is(err, store.ErrUnavailable) || time.Since(began) > storePatience {
			return err
		}
		s.log.Warn("the store is away; waiting for it", "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// assemble makes the engine and the conversation around the store.
func (s *Server) assemble(ctx context.Context) error {
	if err := s.openDatastore(); err != nil {
		return err
	}
	s.renderer = expression.New(expression.Options{Datastore: s.items})
	s.chat = chatops.New(chatops.Options{
		Now: s.now, Store: s.store, Catalog: func() chatops.Catalog { return s.library.Snapshot() }, Renderer: s.renderer,
		Adapters: append(slices.Clone(s.adapters), s.room), Name: s.cfg.Chat.Name, Prefix: s.cfg.Chat.Prefix,
		People: known(s.cfg.People), Admins: s.cfg.Chat.Admins, Masker: s.masker,
		Patience: s.cfg.Chat.StillRunningAfter.Std(), WebURL: s.cfg.Chat.WebURL, Logger: s.log,
	})
	list, err := s.runners()
	if err != nil {
		return err
	}
	registry, err := runners.NewRegistry(list...)
	if err != nil {
		return err
	}
	s.specs, s.library = registry.Specs(), packs.NewLibrary(s.store)
	if _, err := s.loadPacks(ctx); err != nil {
		return err
	}
	s.service = pipeline.NewService(pipeline.Options{
		Now: s.now, Store: s.store, Catalog: catalog{s.library}, Renderer: s.renderer,
		Responders: s.chat.Responders(), MaxWaiting: s.cfg.Workers.MaxWaiting, Decides: s.roles.Has(RoleRules), Masker: s.masker, Logger: s.log,
	})
	s.chat.Bind(s.service)
	s.workers = pipeline.NewWorkers(s.service, pipeline.WorkerOptions{
		Node: s.member.node.Name, Rules: s.roles.Has(RoleRules), Actions: s.roles.Has(RoleWorkers), Runners: registry, Slots: s.cfg.Workers.Concurrency,
		MaxResult: int(s.cfg.Workers.MaxResult), ValidateOutput: s.cfg.Workers.ValidateOutput,
		APIURL: "http://" + s.cfg.HTTP.Listen + "/api/v1",
	})
	s.timers = &sensors.Timers{
		Rules: func() ([]*engine.Rule, <-chan struct{}) {
			content := s.library.Snapshot()
			return content.Rules(), content.Replaced()
		},
		Fire: func(ctx context.Context, t sensors.Tick) error {
			_, err := s.service.Dispatch(ctx, pipeline.Dispatch{
				Trigger: t.Trigger, Key: t.Key, Payload: t.Payload, DeliveryID: t.DeliveryID, TraceTag: t.TraceTag, Lane: engine.LaneTimer,
			})
			return err
		},
		Logger: s.log,
	}
	return nil
}

// listen binds the chat socket and the HTTP port, so that a taken one is an
// error at start and not later.
func (s *Server) listen(ctx context.Context) error {
	if s.roles.Has(RoleChat) {
		if err := s.listenChat(ctx); err != nil {
			return err
		}
	}
	if s.roles.Has(RoleAPI) {
		return s.listenHTTP(ctx)
	}
	return nil
}

func (s *Server) listenChat(ctx context.Context) error {
	path := SocketPath(s.cfg.DataDir)
	// The store is ours alone by now, so a socket that is there is a dead one's.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("chat socket: %w", err)
	}
	var lc net.ListenConfig
	var err error
	if s.socket, err = lc.Listen(ctx, "unix", path); err != nil {
		return fmt.Errorf("chat socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("chat socket: %w", err)
	}
	return nil
}

func (s *Server) listenHTTP(ctx context.Context) error {
	var lc net.ListenConfig
	var err error
	if s.httpListener, err = lc.Listen(ctx, "tcp", s.cfg.HTTP.Listen); err != nil {
		return fmt.Errorf("http.listen: %w (another program has the port? set http.listen or PETREL_HTTP__LISTEN)", err)
	}
	guards, err := Guards(s.cfg)
	if err != nil {
		return err
	}
	s.http = &http.Server{
		Handler: api.New(api.Options{
			Service: s.service, Ready: s.checkReady, Keys: s.items, Sensors: sensorBoard{s.library, s.store}, Packs: s, Masker: s.masker, Timers: s.nextTicks, CheckPayload: s.checkPayload,
			Nodes: func(ctx context.Context) (any, error) { return Nodes(ctx, s.store) }, MaxBody: int64(s.cfg.HTTP.MaxBody),
			Token: s.cfg.HTTP.Token.Reveal(), Guards: guards, Chat: callbacks(s.adapters), Logger: s.log,
		}),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	return nil
}

// Ready is closed when everything runs.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// HTTPAddr is where HTTP is served, "" when it is not.
func (s *Server) HTTPAddr() string {
	if s.httpListener == nil {
		return ""
	}
	return s.httpListener.Addr().String()
}

// Store is the store that the server works on, for measuring.
func (s *Server) Store() store.Backend { return s.store }

// Service is what puts work in, for measuring.
func (s *Server) Service() *pipeline.Service { return s.service }

// checkReady reports why work cannot be taken now.
func (s *Server) checkReady(ctx context.Context) error {
	select {
	case <-s.ready:
	default:
		return errors.New("starting")
	}
	if _, err := s.store.LastEvent(ctx); err != nil {
		return fmt.Errorf("the store does not answer: %w", err)
	}
	if s.roles.Has(RoleChat) {
		return s.checkChat()
	}
	return nil
}

// reserve is the part of shutdown_timeout kept for ending what does not end by
// itself: the runner's grace between TERM and KILL, and the records of it.
const reserve = 6 * time.Second

// Run serves until ctx ends, then stops: no new work is taken in, running
// actions may finish, the rest is handed back, last answers are delivered.
func (s *Server) Run(ctx context.Context) error {
	defer s.Close()
	intake, stopIntake := context.WithCancel(ctx)
	defer stopIntake()
	work, endWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endWork(nil)
	speech, endSpeech := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endSpeech(nil)
	stopSpeech, quiet := context.WithCancel(context.WithoutCancel(ctx))
	defer quiet()

	var in, stages, out errgroup.Group
	fail := func(f func() error) func() error { // whatever fails stops the rest
		return func() error {
			err := f()
			if err != nil {
				stopIntake()
			}
			return err
		}
	}
	out.Go(fail(func() error { return s.member.Run(stopSpeech) }))
	if s.roles.Has(RoleChat) {
		out.Go(fail(func() error { return s.chat.Stage(s.member.node.Name, 16).Run(stopSpeech, speech) }))
		out.Go(fail(func() error { return s.room.Serve(stopSpeech, s.socket) }))
		in.Go(fail(func() error { return s.room.Run(intake, s.chat) }))
		in.Go(func() error {
			s.chat.KeepCommands(intake, func() <-chan struct{} { return s.library.Snapshot().Replaced() })
			return nil
		})
		in.Go(fail(func() error { return s.member.alone(intake, "chat-sweep", s.chat.Sweep) }))
		for _, a := range s.adapters {
			in.Go(func() error { s.converse(intake, a); return nil })
		}
	}
	stages.Go(fail(func() error { return s.workers.Run(intake, work) }))
	in.Go(fail(func() error { return s.watchOthers(intake) }))
	if s.roles.Has(RoleTimers) {
		in.Go(fail(func() error {
			return s.member.alone(intake, "datastore", func(ctx context.Context) error { return s.items.Sweep(ctx, sweepEvery) })
		}))
	}
	if s.roles.Has(RoleRules) {
		in.Go(fail(func() error { return s.member.alone(intake, "retention", s.collect) }))
	}
	if s.roles.Has(RoleSensors) {
		in.Go(fail(func() error { return newWatchers(s).Run(intake) }))
	}
	if s.roles.Has(RoleTimers) {
		in.Go(fail(func() error { return s.member.alone(intake, "timers", s.timers.Run) }))
	}
	if s.http != nil {
		in.Go(fail(func() error { return ignoreClosed(s.http.Serve(s.httpListener)) }))
	}
	close(s.ready)
	s.log.Info("petrel is ready", "node", s.member.node.Name, "roles", s.roles, "http", s.HTTPAddr(), "chat", SocketPath(s.cfg.DataDir), "data", s.cfg.DataDir)

	<-intake.Done()
	s.log.Info("stopping")
	deadline := time.Now().Add(s.cfg.ShutdownTimeout.Std())
	grace := time.AfterFunc(max(s.cfg.ShutdownTimeout.Std()-reserve, 0), func() { endWork(runners.ErrShutdown) })
	defer grace.Stop()
	err := errors.Join(s.stopHTTP(), in.Wait(), stages.Wait())
	s.flush(stopSpeech, deadline)
	quiet()
	last := time.AfterFunc(time.Until(deadline), func() { endSpeech(runners.ErrShutdown) })
	defer last.Stop()
	err = errors.Join(err, out.Wait(), s.Close())
	s.log.Info("stopped")
	return err
}

// stopHTTP lets requests that are being answered finish.
func (s *Server) stopHTTP() error {
	if s.http == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// flush waits, within reason, until the last answers are delivered. What is
// left is delivered after the next start.
func (s *Server) flush(ctx context.Context, deadline time.Time) {
	ctx, cancel := context.WithDeadline(ctx, minTime(deadline, time.Now().Add(2*time.Second)))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		stats, err := s.store.QueueStats(ctx, pipeline.QueueOutbox)
		if err != nil || stats.Ready+stats.Leased == 0 {
			return
		}
		select {
		case <-ctx.Done():
			s.log.Warn("answers are left for the next start", "waiting", stats.Ready+stats.Leased)
			return
		case <-tick.C:
		}
	}
}

// Close releases everything. It may be called more than once.
func (s *Server) Close() error {
	var err error
	for _, l := range []net.Listener{s.socket, s.httpListener} {
		if l != nil {
			err = errors.Join(err, ignoreClosed(l.Close()))
		}
	}
	if s.python != nil {
		s.python.Close()
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// SocketPath is where the chat of a data folder listens. A path too long for a
// socket is replaced by a short one that is the same for the same folder.
func SocketPath(dataDir string) string {
	path := filepath.Join(dataDir, "petrel.sock")
	abs, err := filepath.Abs(path)
	if err != nil || len(path) < maxSocketPath {
		return path
	}
	return filepath.Join(os.TempDir(), "petrel-"+engine.DeriveID("socket", abs)+".sock")
}

// maxSocketPath is below the limit of every system (104 bytes on BSD, 108 on
// Linux).
const maxSocketPath = 100
