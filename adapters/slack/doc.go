// Package slack is the adapter of one Slack workspace: what people do there
// comes in as events, messages go out over the Web API.
//
// Slack delivers in one of two ways, and both feed the same code (inbound.go):
// Socket Mode, over two WebSocket connections that this program opens
// (socket.go), or HTTP requests to this program, each of which is signed
// (receive.go). Messages are posted by the Web API in both (outbound.go).
//
// The package knows Slack and the chat contract. It must not know commands,
// executions or rules. Types of the client library never leave it.
package slack
