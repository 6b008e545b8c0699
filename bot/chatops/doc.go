// Package chatops is the conversation: what people type becomes commands, and
// what becomes of the commands is told where they were typed.
//
// Inbound, an event of an adapter is addressed (is it for us at all), matched
// against the aliases and dispatched as a trigger instance; the responder of
// that trigger turns it into an execution or an answer. Outbound, the notices
// of the outbox become messages: one live card per execution, then its result.
//
// It knows adapters only by their contract and the engine only by its service.
package chatops
