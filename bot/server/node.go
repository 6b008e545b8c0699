package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"petrel/engine/pipeline"
	"petrel/store"
)

// A node is one running process of the deployment. It has a stable name, which
// no two live processes share: that is what its consumers are called.

// Timing of the registry. A node that is silent for nodeTTL is dead: its name
// is free, and so is what only one process may do.
const (
	nodeTTL  = 12 * time.Second
	nodeBeat = 4 * time.Second
)

// maxSiblings is how many processes may ask for the same name.
const maxSiblings = 64

// Node is the record of a process.
type Node struct {
	Name    string    `json:"name"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Roles   Roles     `json:"roles"`
	Started time.Time `json:"started"`
	Seen    time.Time `json:"seen"`
}

var nodes = store.Collection[Node]{Name: "nodes"}

// Alive reports whether the node has given a sign of life lately.
func (n Node) Alive(now time.Time) bool { return now.Sub(n.Seen) < nodeTTL }

// Nodes lists the processes that run, or ran until lately, on a store.
func Nodes(ctx context.Context, b store.Backend) ([]Node, error) {
	var list []Node
	for after := ""; ; {
		docs, next, err := nodes.List(ctx, b, store.Query{After: after})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			list = append(list, d.Value)
		}
		if next == "" {
			return list, nil
		}
		after = next
	}
}

// member keeps this process in the registry.
type member struct {
	backend store.Backend
	node    Node
	holder  string // of the lock on the name
	log     *slog.Logger
}

// enlist takes a free name: the wished one, else with a number behind.
func enlist(ctx context.Context, b store.Backend, wish string, roles Roles, log *slog.Logger) (*member, error) {
	if wish == "" {
		wish = pipeline.NodeName()
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	now := time.Now()
	m := &member{
		backend: b, log: log, holder: fmt.Sprintf("%s/%d/%d", host, os.Getpid(), now.UnixNano()),
		node: Node{Host: host, PID: os.Getpid(), Roles: roles, Started: now, Seen: now},
	}
	for i := 1; i <= maxSiblings; i++ {
		m.node.Name = wish
		if i > 1 {
			m.node.Name = fmt.Sprintf("%s-%d", wish, i)
		}
		free, err := b.Acquire(ctx, "node:"+m.node.Name, m.holder, nodeTTL)
		if err != nil {
			return nil, fmt.Errorf("register this process: %w", err)
		}
		if free {
			return m, m.record(ctx)
		}
	}
	return nil, fmt.Errorf("register this process: %d processes are called %s already; give this one another name (--node)", maxSiblings, wish)
}

// record writes the node's record.
func (m *member) record(ctx context.Context) error {
	var b store.Batch
	if err := nodes.Put(&b, store.Doc[Node]{ID: m.node.Name, Rev: store.AnyRev, Value: m.node}); err != nil {
		return err
	}
	if err := m.backend.Commit(ctx, &b); err != nil {
		return fmt.Errorf("register this process: %w", err)
	}
	return nil
}

// Run gives signs of life until ctx ends, then signs off. It fails when the
// name was taken by another process while this one could not reach the store.
func (m *member) Run(ctx context.Context) error {
	tick := time.NewTicker(nodeBeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			m.leave()
			return nil
		case <-tick.C:
		}
		ours, err := m.backend.Acquire(ctx, "node:"+m.node.Name, m.holder, nodeTTL)
		if err == nil && !ours {
			return fmt.Errorf("another process took the name %s while this one was silent", m.node.Name)
		}
		if err == nil {
			m.node.Seen = time.Now()
			err = m.record(ctx)
		}
		if errors.Is(err, store.ErrClosed) {
			return err
		}
		if err != nil && ctx.Err() == nil {
			m.log.Warn("no sign of life could be given", "node", m.node.Name, "error", err)
		}
	}
}

// leave removes the record and frees the name.
func (m *member) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var b store.Batch
	nodes.Delete(&b, m.node.Name, store.AnyRev)
	if err := errors.Join(m.backend.Commit(ctx, &b), m.backend.Relinquish(ctx, "node:"+m.node.Name, m.holder)); err != nil {
		m.log.Warn("this process could not sign off", "node", m.node.Name, "error", err)
	}
}

// alone runs f while this process holds the named lock; of all processes only
// one does. When the holder dies another takes over within nodeTTL and a beat.
func (m *member) alone(ctx context.Context, name string, f func(context.Context) error) error {
	tick := time.NewTicker(nodeBeat)
	defer tick.Stop()
	for {
		ours, err := m.backend.Acquire(ctx, name, m.holder, nodeTTL)
		if err != nil && ctx.Err() == nil {
			m.log.Warn("lock cannot be had", "lock", name, "error", err)
		}
		if ours && err == nil {
			m.log.Info("this process takes over", "duty", name)
			if err := m.hold(ctx, name, f); err != nil || ctx.Err() != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// hold runs f and renews the lock meanwhile. f is ended when the lock is lost,
// or could not be renewed for so long that another process may have it.
func (m *member) hold(ctx context.Context, name string, f func(context.Context) error) error {
	work, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- f(work) }()
	tick := time.NewTicker(nodeBeat)
	defer tick.Stop()
	renewed := time.Now()
	for {
		select {
		case err := <-done:
			free, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			return errors.Join(err, m.backend.Relinquish(free, name, m.holder))
		case <-tick.C:
		}
		ours, err := m.backend.Acquire(ctx, name, m.holder, nodeTTL)
		switch {
		case err == nil && ours:
			renewed = time.Now()
		case err == nil || time.Since(renewed) > nodeTTL-nodeBeat:
			m.log.Warn("this process gives up a duty", "duty", name, "error", err)
			stop()
			return <-done
		}
	}
}
