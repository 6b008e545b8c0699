// Package builtin holds the packs that ship inside the binary. Scripts need
// real files, so a program unpacks them under its data folder and loads them
// from there like any others.
package builtin

import (
	"embed"
	"fmt"
	"io/fs"
	"path/filepath"

	"petrel/packs/tree"
)

//go:embed all:chat all:chatops all:core all:debug all:default all:examples all:linux all:packs
var content embed.FS

// FS returns the packs as a file system with a folder a pack.
func FS() fs.FS { return content }

// Dir is where Unpack puts the packs below dir.
func Dir(dir string) string { return filepath.Join(dir, "packs", "builtin") }

// Unpack writes the packs below dir, which it makes if need be, and returns
// their folder. What an older version left behind is removed.
func Unpack(dir string) (string, error) {
	root := Dir(dir)
	if err := tree.Write(content, root); err != nil {
		return "", fmt.Errorf("unpack the built-in packs: %w", err)
	}
	return root, nil
}
