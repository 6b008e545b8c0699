package cli

import "runtime"

// ballastSize is how much the heap seems to be larger than it is.
const ballastSize = 32 << 20

// ballast lets the heap grow by some tens of megabytes before the garbage collector
// runs: it starts when the heap has doubled, and the live heap of this program is
// so small that it would run many times a second under load, for a fifth of all
// processor time. The ballast is never touched, so it takes no memory. Call drop
// when the work is over.
func ballast() (drop func()) {
	b := make([]byte, ballastSize)
	return func() { runtime.KeepAlive(b) }
}
