// Package content finds the code of an action in its pack: the file of its entry
// point, as it lies on disk or in an older revision of the pack. It knows nothing
// of how the code is run.
package content

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"petrel/engine"
)

// EntryPoint returns the absolute path of the file that an action runs. It is
// given relative to the folder actions/ of the pack, or as an absolute path
// inside the pack. Paths that lead out of the pack are refused by their
// components; links inside the pack are followed, as its author made them.
func EntryPoint(a *engine.Action) (string, error) {
	if a.EntryPoint == "" {
		return "", fmt.Errorf("action %s has no entry_point: it must name the file to run, relative to the folder actions of its pack", a.Ref)
	}
	if a.Dir == "" {
		return "", fmt.Errorf("the folder of pack %s is not known on this machine", a.Pack)
	}
	dir, err := filepath.Abs(a.Dir)
	if err != nil {
		return "", fmt.Errorf("folder of pack %s: %w", a.Pack, err)
	}
	path := a.EntryPoint
	if path != filepath.Clean(path) || strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("entry_point %q of action %s must be a plain path: no ., .. or doubled slashes", path, a.Ref)
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, "actions", path)
	}
	if rel, err := filepath.Rel(dir, path); err != nil || rel == "." || !filepath.IsLocal(rel) || !filepath.IsAbs(a.EntryPoint) && !filepath.IsLocal(a.EntryPoint) {
		return "", fmt.Errorf("entry_point %q of action %s lies outside of its pack %s", a.EntryPoint, a.Ref, dir)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("entry_point %q of action %s: there is no file %s", a.EntryPoint, a.Ref, path)
	case err != nil:
		return "", fmt.Errorf("entry_point of action %s: %w", a.Ref, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("entry_point %q of action %s: %s is not a file", a.EntryPoint, a.Ref, path)
	}
	return path, nil
}
