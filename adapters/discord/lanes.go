package discord

import "sync"

// lanes runs the work of one channel in order, and that of several at the same
// time, so that reading from the gateway never waits for it.
type lanes struct {
	mu      sync.Mutex
	queues  map[string][]func()
	running sync.WaitGroup
}

func (l *lanes) put(key string, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q, busy := l.queues[key]; busy {
		l.queues[key] = append(q, f)
		return
	}
	l.queues[key] = nil
	l.running.Go(func() { l.work(key, f) })
}

func (l *lanes) work(key string, f func()) {
	for f != nil {
		f()
		f = l.next(key)
	}
}

func (l *lanes) next(key string) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[key]
	if len(q) == 0 {
		delete(l.queues, key)
		return nil
	}
	l.queues[key] = q[1:]
	return q[0]
}

// wait returns when all work is done. Nothing is put any more.
func (l *lanes) wait() { l.running.Wait() }
