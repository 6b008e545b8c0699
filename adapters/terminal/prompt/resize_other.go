//go:build !unix

package prompt

// onResize does nothing where there is no signal for it: the size at the start
// counts.
func onResize(func()) (stop func()) { return func() {} }
