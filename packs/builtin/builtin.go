// Package builtin holds the packs that ship inside the binary. Scripts need
// real files, so a program unpacks them under its data folder and loads them
// from there like any others.
package builtin

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed all:chatops all:core all:examples
var content embed.FS

// FS returns the packs as a file system with a folder a pack.
func FS() fs.FS { return content }

// Unpack writes the packs below dir, which it makes if need be, and returns
// their folder. Files that are there with the same content are left alone;
// others are replaced, each in one step, so that a running script never sees
// half a file. What an older version left behind is removed.
func Unpack(dir string) (string, error) {
	root := filepath.Join(dir, "packs", "builtin")
	wanted := map[string]bool{".": true}
	err := fs.WalkDir(content, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		wanted[name] = true
		target := filepath.Join(root, filepath.FromSlash(name))
		if e.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		body, err := fs.ReadFile(content, name)
		if err != nil {
			return err
		}
		return place(target, body)
	})
	if err == nil {
		err = clean(root, wanted)
	}
	if err != nil {
		return "", fmt.Errorf("unpack the built-in packs: %w", err)
	}
	return root, nil
}

// place writes a file unless it is there already. Scripts, which begin with
// #!, become executable.
func place(target string, body []byte) error {
	mode := fs.FileMode(0o644)
	if bytes.HasPrefix(body, []byte("#!")) {
		mode = 0o755
	}
	old, err := os.ReadFile(target)
	if err == nil && bytes.Equal(old, body) {
		return os.Chmod(target, mode)
	}
	temp, err := os.CreateTemp(filepath.Dir(target), ".unpack-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(body)
	err = errors.Join(err, temp.Chmod(mode), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), target)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// clean removes what is below root and not wanted.
func clean(root string, wanted map[string]bool) error {
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || wanted[filepath.ToSlash(name)] {
			return err
		}
		if strings.HasSuffix(name, ".pyc") || e.Name() == "__pycache__" {
			return skip(e) // made by Python beside its sources
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return skip(e)
	})
}

func skip(e fs.DirEntry) error {
	if e.IsDir() {
		return fs.SkipDir
	}
	return nil
}
