// Package aliases holds the grammar of action aliases: it turns what a person types into the parameters of an action, finds the alias that is
// meant among many, says which ones come near when none fits, and lists and checks them.
//
// The grammar is StackStorm's, defects that hurt nobody included, because packs rely on it: a format is a regular expression in Python's dialect
// with placeholders, `run {{ cmd }} on {{ hosts = localhost }}`, and `key=value` pairs at the end of a message are extra parameters.
//
// The package is pure: it knows nothing of chat platforms, people, permissions, storage or the execution of actions. Values stay text here; the
// action's schema turns them into numbers, lists and objects later.
package aliases
