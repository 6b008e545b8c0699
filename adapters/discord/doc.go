// Package discord is the chat platform Discord: a bot on one or more servers
// (Discord calls them guilds).
//
// Events come over the gateway, a WebSocket (gateway.go, socket.go); everything
// that is said goes over REST (api.go, limits.go). The types, the endpoints and
// the requests are discordgo's. Its gateway client and its rate limiter are not
// used: the former tells no close codes apart, gives a dead socket five
// heartbeats and then ends the session so that nothing can be resumed; the latter
// sleeps, deaf to contexts, while it holds a lock.
//
// What the chat contract calls a thread is Discord's thread started from a
// message: both have the same ID. An Event of a thread names the parent channel
// as its Channel, and a Ref into a thread names the thread.
//
// Slash commands, buttons and forms are interactions (interactions.go). They are
// acknowledged within three seconds and can be answered by a token for fifteen
// minutes; Event.Reply carries it. The first answer fills the reply that the
// acknowledgement announced, later ones are messages of their own.
package discord
