package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"petrel/store"
)

const (
	pipeCount = 2         // pipelines under way at once: one is being read while the next is written
	pipeCalls = 128       // commands in one
	pipeBytes = 128 << 10 // of arguments in one; larger commands travel alone
	waitTime  = time.Second
)

// errTooFewReplicas: a commit was carried out, but the replicas it has to wait
// for did not confirm it in time.
var errTooFewReplicas = errors.New("too few replicas have confirmed the commit")

// pipes sends commands in groups: what arrives while a group is on its way makes
// up the next one. Each command succeeds or fails by itself.
type pipes struct {
	rdb      redis.UniversalClient
	replicas int

	mu      sync.Mutex
	more    sync.Cond
	waiting []*command
	stopped bool
	wg      sync.WaitGroup
}

type command struct {
	cmd    redis.Cmder
	size   int
	commit bool
	taken  bool // guarded by pipes.mu
	done   chan error
}

func newPipes(rdb redis.UniversalClient, replicas int) *pipes {
	p := &pipes{rdb: rdb, replicas: replicas}
	p.more.L = &p.mu
	for range pipeCount {
		p.wg.Go(p.loop)
	}
	return p
}

// do executes a command. ctx counts until it is sent. The outcome is in the
// command, except for what prevented one.
func (p *pipes) do(ctx context.Context, cmd redis.Cmder, size int, commit bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &command{cmd: cmd, size: size, commit: commit, done: make(chan error, 1)}
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return store.ErrClosed
	}
	if size > pipeBytes {
		p.wg.Add(1)
		p.mu.Unlock()
		defer p.wg.Done()
		p.send([]*command{c})
		return <-c.done
	}
	p.waiting = append(p.waiting, c)
	p.mu.Unlock()
	p.more.Signal()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
	}
	p.mu.Lock()
	if !c.taken {
		c.taken = true
		p.mu.Unlock()
		return ctx.Err()
	}
	p.mu.Unlock()
	return <-c.done
}

// stop refuses what waits and returns when what is under way has ended.
func (p *pipes) stop() {
	p.mu.Lock()
	p.stopped = true
	for _, c := range p.waiting {
		if !c.taken {
			c.taken = true
			c.done <- store.ErrClosed
		}
	}
	p.waiting = nil
	p.mu.Unlock()
	p.more.Broadcast()
	p.wg.Wait()
}

func (p *pipes) loop() {
	for {
		group := p.gather()
		if group == nil {
			return
		}
		p.send(group)
	}
}

// gather waits for the next group; nil ends the loop.
func (p *pipes) gather() []*command {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		var group []*command
		n, size := 0, 0
		for _, c := range p.waiting {
			if len(group) == pipeCalls || size+c.size > pipeBytes && len(group) > 0 {
				break
			}
			n++
			if !c.taken {
				c.taken = true
				size += c.size
				group = append(group, c)
			}
		}
		rest := copy(p.waiting, p.waiting[n:])
		clear(p.waiting[rest:])
		p.waiting = p.waiting[:rest]
		if len(group) > 0 {
			return group
		}
		if p.stopped {
			return nil
		}
		p.more.Wait()
	}
}

// send executes a group on one connection. With replicas to wait for it asks
// for them at the end, since the server counts what this connection wrote.
func (p *pipes) send(group []*command) {
	ctx := context.Background()
	pipe := p.rdb.Pipeline()
	wait := false
	for _, c := range group {
		_ = pipe.Process(ctx, c.cmd)
		wait = wait || c.commit
	}
	var confirmed *redis.IntCmd
	if wait && p.replicas > 0 {
		confirmed = redis.NewIntCmd(ctx, "wait", p.replicas, waitTime.Milliseconds())
		_ = pipe.Process(ctx, confirmed)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for _, c := range group {
		var err error
		if c.commit && confirmed != nil && c.cmd.Err() == nil {
			if n, waitErr := confirmed.Result(); waitErr != nil {
				err = waitErr
			} else if int(n) < p.replicas {
				err = fmt.Errorf("%d of %d: %w", n, p.replicas, errTooFewReplicas)
			}
		}
		c.done <- err
	}
}
