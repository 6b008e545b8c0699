package runners

import "errors"

// Causes with which the context of a Run is ended.
var (
	ErrCanceled = errors.New("canceled")
	ErrShutdown = errors.New("the program is stopping")
)
