//go:build jumpingclock

package cli

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// clock is a clock that jumps every few seconds, an hour ahead or back at most, as
// that of a machine may whose time is set. Campaigns of faults run with it.
func clock() func() time.Time {
	var ahead atomic.Int64
	go func() {
		for {
			time.Sleep(time.Second + rand.N(4*time.Second))
			ahead.Store(int64(rand.N(2*time.Hour) - time.Hour))
		}
	}()
	return func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
}
