// Package discord is a Discord for tests: it speaks the wire protocol of the
// gateway (WebSocket, version 9 or 10) and of the REST interface on loopback,
// keeps servers, channels, people, messages, threads, interactions and commands,
// checks what Discord checks and answers with its error codes. People are acted
// for by a Person; what goes wrong is switched on in faults.go; harness.go makes
// an adaptertest.Harness of it.
//
// It knows the public protocol only, and no adapter.
package discord
