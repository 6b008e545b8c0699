//go:build unix

package python

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"petrel/engine/runners/process"
)

// ServerLimits bound the interpreters that are kept warm. Zero fields take the
// defaults.
type ServerLimits struct {
	Count int           // how many there are at most; default 20
	Idle  time.Duration // how long one lives without runs; default 10 minutes
	Runs  int           // after how many runs one is replaced; default 10000
	Age   time.Duration // after which time one is replaced; default 6 hours
}

func (l ServerLimits) withDefaults() ServerLimits {
	if l.Count <= 0 {
		l.Count = 20
	}
	if l.Idle <= 0 {
		l.Idle = 10 * time.Minute
	}
	if l.Runs <= 0 {
		l.Runs = 10_000
	}
	if l.Age <= 0 {
		l.Age = 6 * time.Hour
	}
	return l
}

// pool keeps one warm interpreter for each that packs run with: one a virtualenv,
// and one for all packs that have none. Nothing of one pack is ever loaded in it.
type pool struct {
	options Options
	limits  ServerLimits

	mu      sync.Mutex
	servers map[string]*server   // by key
	used    map[string]time.Time // when each was used last
	all     map[*server]bool     // those that were replaced but still have runs, too
	closed  bool
}

func newPool(o Options) *pool {
	return &pool{
		options: o, limits: o.Servers.withDefaults(),
		servers: map[string]*server{}, used: map[string]time.Time{}, all: map[*server]bool{},
	}
}

// starter starts a run with the interpreter of a launch. stop ends the run.
func (p *pool) starter(l *launch, stop context.CancelCauseFunc) process.Starter {
	return func(ctx context.Context, _ *process.Command, files []*os.File) (process.Process, error) {
		s, err := p.server(l)
		if err != nil {
			return nil, &coldError{err}
		}
		f, err := s.start(ctx, stop, files)
		if err != nil {
			var cold *coldError
			if errors.As(err, &cold) {
				p.retire(s) // the next run gets another one
			}
			return nil, err
		}
		return f, nil
	}
}

// server returns the warm interpreter for a launch, a new one if need be.
func (p *pool) server(l *launch) (*server, error) {
	key, err := keyOf(l)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("the program is stopping")
	}
	s := p.servers[key]
	if s != nil {
		if _, total, age := s.state(); total >= p.limits.Runs || age >= p.limits.Age {
			p.replace(key)
			s = nil
		}
	}
	if s == nil {
		p.makeRoom()
		if s, err = startServer(p.options, l.interpreter, p.forget); err != nil {
			return nil, err
		}
		p.servers[key], p.all[s] = s, true
		s.limits = time.AfterFunc(p.limits.Idle, func() { p.endIdle(key, s) })
	}
	p.used[key] = time.Now()
	return s, nil
}

// keyOf names the interpreter of a launch. A virtualenv that was made anew is
// another one.
func keyOf(l *launch) (string, error) {
	if l.venv == "" {
		return l.interpreter, nil
	}
	info, err := os.Stat(filepath.Join(l.venv, "pyvenv.cfg"))
	if errors.Is(err, os.ErrNotExist) {
		return l.interpreter, nil // made by a tool that writes none
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d", l.interpreter, info.ModTime().UnixNano()), nil
}

// makeRoom ends the interpreter that was not used for the longest time when
// there are as many as there may be.
func (p *pool) makeRoom() {
	if len(p.servers) < p.limits.Count {
		return
	}
	oldest := ""
	for key := range p.servers {
		if oldest == "" || p.used[key].Before(p.used[oldest]) {
			oldest = key
		}
	}
	p.replace(oldest)
}

// replace takes a server out of use. It ends when its last run has ended.
func (p *pool) replace(key string) {
	s := p.servers[key]
	delete(p.servers, key)
	delete(p.used, key)
	s.limits.Stop()
	if running, _, _ := s.state(); running == 0 {
		s.end()
		return
	}
	s.limits = time.AfterFunc(time.Second, func() { p.endReplaced(s) })
}

func (p *pool) endReplaced(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if running, _, _ := s.state(); running == 0 {
		s.end()
	} else if p.all[s] {
		s.limits.Reset(time.Second)
	}
}

// endIdle ends a server that has had nothing to do for long enough.
func (p *pool) endIdle(key string, s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.servers[key] != s {
		return
	}
	running, _, _ := s.state()
	if left := p.limits.Idle - time.Since(p.used[key]); running > 0 || left > 0 {
		s.limits.Reset(max(left, p.limits.Idle/10))
		return
	}
	p.replace(key)
}

// retire takes a server that does not work out of use.
func (p *pool) retire(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, known := range p.servers {
		if known == s {
			p.replace(key)
		}
	}
}

// forget is told that a server has ended.
func (p *pool) forget(s *server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, s)
	for key, known := range p.servers {
		if known == s {
			s.limits.Stop()
			delete(p.servers, key)
			delete(p.used, key)
		}
	}
}

// close ends all servers and waits for them.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var list []*server
	for s := range p.all {
		s.limits.Stop()
		s.end()
		list = append(list, s)
	}
	p.mu.Unlock()
	for _, s := range list {
		<-s.gone
	}
}
