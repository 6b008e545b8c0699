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
	pipeCount = 3         // pipelines under way at once: one is being read while the next is written
	pipeCalls = 128       // commands in one
	pipeBytes = 128 << 10 // of arguments in one; larger commands travel alone
	waitTime  = time.Second
)

// errTooFewReplicas: a commit was carried out, but the replicas it has to wait
// for did not confirm it in time.
var errTooFewReplicas = errors.New("too few replicas have confirmed the commit")

// pipes sends commands in groups: what arrives while a group is on its way makes
// up the next one. The orders in a group travel as one script call, or two. Each
// command succeeds or fails by itself.
type pipes struct {
	rdb      redis.UniversalClient
	replicas int
	merge    func([]*order) *redis.Cmd // the call that carries orders out

	mu      sync.Mutex
	more    sync.Cond
	waiting []*command
	stopped bool
	wg      sync.WaitGroup
}

// command is either any command of the server, which also holds what came of it,
// or an order.
type command struct {
	cmd   redis.Cmder
	order *order
	reply any // to the order
	size  int
	taken bool // guarded by pipes.mu
	done  chan error
}

func newPipes(rdb redis.UniversalClient, replicas int, merge func([]*order) *redis.Cmd) *pipes {
	p := &pipes{rdb: rdb, replicas: replicas, merge: merge}
	p.more.L = &p.mu
	for range pipeCount {
		p.wg.Go(p.loop)
	}
	return p
}

// do executes a command. ctx counts until it is sent.
func (p *pipes) do(ctx context.Context, c *command) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.done = make(chan error, 1)
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return store.ErrClosed
	}
	if c.size > pipeBytes {
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
	// A server without memory refuses what adds to it, and lets pass what begins
	// with an acknowledgement; so these two do not mix.
	var calls [2]struct {
		commands []*command
		cmd      *redis.Cmd
	}
	for _, c := range group {
		if c.order == nil {
			_ = pipe.Process(ctx, c.cmd)
			continue
		}
		kind := flag(len(c.order.items) > 0)
		calls[kind].commands = append(calls[kind].commands, c)
	}
	orders := false
	for i := range calls {
		call := &calls[i]
		if len(call.commands) == 0 {
			continue
		}
		list := make([]*order, len(call.commands))
		for i, c := range call.commands {
			list[i] = c.order
		}
		call.cmd = p.merge(list)
		_ = pipe.Process(ctx, call.cmd)
		orders = true
	}
	var confirmed *redis.IntCmd
	if orders && p.replicas > 0 {
		confirmed = redis.NewIntCmd(ctx, "wait", p.replicas, waitTime.Milliseconds())
		_ = pipe.Process(ctx, confirmed)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	for _, c := range group {
		if c.order == nil {
			c.done <- c.cmd.Err()
		}
	}
	for _, call := range calls {
		if call.cmd != nil {
			answer(call.commands, call.cmd, p.unconfirmed(confirmed))
		}
	}
}

// unconfirmed is why a commit that was carried out is not safe yet.
func (p *pipes) unconfirmed(confirmed *redis.IntCmd) error {
	if confirmed == nil {
		return nil
	}
	n, err := confirmed.Result()
	if err == nil && int(n) < p.replicas {
		err = fmt.Errorf("%d of %d: %w", n, p.replicas, errTooFewReplicas)
	}
	return err
}

// answer tells each command what became of its order in a call of all of them.
func answer(commands []*command, call *redis.Cmd, unconfirmed error) {
	reply, err := call.Result()
	list, ok := reply.([]any)
	switch {
	case err != nil:
	case !ok || len(list) != len(commands):
		err = fmt.Errorf("unexpected reply %v of the commit script", reply)
	default:
		err = unconfirmed
	}
	for i, c := range commands {
		if err == nil {
			c.reply = list[i]
		}
		c.done <- err
	}
}
