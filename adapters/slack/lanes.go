package slack

import (
	"slices"
	"sync"
)

// lanes do jobs of one key one after the other, and those of different keys side
// by side. Jobs that wait are sorted by their order: what two connections bring
// of one channel at the same moment is handled as it was said.
type lanes struct {
	mu      sync.Mutex
	waiting map[string][]job
	closed  bool
	running sync.WaitGroup
}

type job struct {
	order string
	do    func()
}

func newLanes() *lanes { return &lanes{waiting: map[string][]job{}} }

// add puts a job into the lane of key. Jobs without an order stay behind those
// that came before them. It reports false after end.
func (l *lanes) add(key, order string, do func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	queue, running := l.waiting[key]
	at := len(queue)
	for order != "" && at > 0 && queue[at-1].order > order {
		at--
	}
	l.waiting[key] = slices.Insert(queue, at, job{order: order, do: do})
	if !running {
		l.running.Go(func() { l.run(key) })
	}
	return true
}

func (l *lanes) run(key string) {
	for {
		l.mu.Lock()
		queue := l.waiting[key]
		if len(queue) == 0 {
			delete(l.waiting, key)
			l.mu.Unlock()
			return
		}
		l.waiting[key] = queue[1:]
		l.mu.Unlock()
		queue[0].do()
	}
}

// end takes no more jobs and returns when all are done.
func (l *lanes) end() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.running.Wait()
}
