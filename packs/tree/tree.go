// Package tree writes a tree of files that is part of the program to disk. It
// does not know what the files are for.
package tree

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Write makes root hold exactly the files of content, except for what Python
// compiled beside its sources. Files that are there with the same content are
// left alone; others are replaced, each in one step, so that a running script
// never sees half a file.
func Write(content fs.FS, root string) error {
	wanted := map[string]bool{".": true}
	err := fs.WalkDir(content, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if compiled(e.Name()) {
			return skip(e)
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
	if err != nil {
		return err
	}
	return clean(root, wanted)
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
		if compiled(e.Name()) {
			return skip(e)
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		return skip(e)
	})
}

// compiled tells what Python makes beside its sources.
func compiled(name string) bool { return name == "__pycache__" || strings.HasSuffix(name, ".pyc") }

func skip(e fs.DirEntry) error {
	if e.IsDir() {
		return fs.SkipDir
	}
	return nil
}
