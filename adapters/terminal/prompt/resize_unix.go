//go:build unix

package prompt

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// onResize calls f when the terminal may have another size, until stop.
func onResize(f func()) (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGWINCH)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case <-signals:
				f()
			case <-done:
				return
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(done)
		watcher.Wait()
	}
}
