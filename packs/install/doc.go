//go:build unix

// Package install brings packs onto this machine and takes them off again: from a
// folder, with git, or by a name in an index, together with the packs that they
// depend on. It knows folders, git and virtualenvs; it does not register what it
// installs.
package install
