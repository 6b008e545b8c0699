// Package engine is the vocabulary of the automation engine: what a trigger, a
// rule, an action and an execution are, which statuses an execution has and how
// it may move between them, and the error codes that every surface translates.
// It does no I/O and knows nothing of chat, HTTP, stores or processes.
//
// Dynamic content (payloads, parameters, results) is kept as json.RawMessage:
// it keeps its key order, and is decoded only where somebody looks inside.
package engine
