// Package chatops is the conversation: what people type becomes commands, and
// what becomes of the commands is told where they were typed.
//
// Inbound (inbound.go), an event of an adapter is addressed (is it for us at
// all), matched against the aliases and dispatched as a trigger instance; the
// responder of that trigger (respond.go) authorises it, asks what there is to
// ask, and turns it into an execution or an answer. What people can press, choose
// or fill in is an Interaction (interaction.go): a record, and a verb that says
// what an act does. Outbound (outbox.go), the notices of the outbox become
// messages: one live card per execution, then its result.
//
// It knows adapters only by their contract and the engine only by its service.
package chatops
