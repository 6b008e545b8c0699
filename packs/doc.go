// Package packs reads packs: folders of actions, rules, aliases and trigger
// types as StackStorm lays them out. Load turns folders into checked content,
// with every mistake named by file and line; a Library registers content in the
// store and serves it from memory.
//
// The package knows metadata, not meaning: it never runs an action, matches a
// rule or a chat line, and has never heard of chat platforms or HTTP.
package packs
