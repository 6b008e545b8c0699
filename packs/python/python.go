// Package python holds the Python side of Petrel: the process that runs Python
// actions, and the modules (st2common, st2actions) that pack code imports. An
// interpreter needs real files, so a program unpacks them under its data folder.
// The package runs nothing; engine/runners/python does.
package python

import (
	"embed"
	"fmt"
	"io/fs"
	"path/filepath"

	"petrel/packs/tree"
)

//go:embed all:lib
var content embed.FS

// FS returns the modules as a file system whose root is a folder of the module
// path.
func FS() fs.FS {
	lib, err := fs.Sub(content, "lib")
	if err != nil {
		panic(err) // lib is part of the program
	}
	return lib
}

// Unpack writes the modules below dir, which it makes if need be, and returns
// their folder, absolute: it belongs on the module path.
func Unpack(dir string) (string, error) {
	root, err := filepath.Abs(filepath.Join(dir, "python"))
	if err == nil {
		err = tree.Write(FS(), root)
	}
	if err != nil {
		return "", fmt.Errorf("unpack the Python modules: %w", err)
	}
	return root, nil
}
