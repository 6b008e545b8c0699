// Package pipeline moves work through the four durable stages: trigger
// instances, actions, (workflows,) and the outbox. Service is what the rest of
// the program calls to put work in; Workers carries it out.
//
// Every step from one stage to the next is one atomic store.Batch: the new
// documents with the revision they replace, the pushes, the acknowledgement of
// the item that caused it, the events. IDs of what a stage creates derive from
// what caused it, so a repeated delivery changes nothing.
//
// The package has never heard of chat or HTTP. Answers leave through the outbox
// queue, whose consumer is handed in by the composition root.
package pipeline
