//go:build unix

package install

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

//go:embed all:skeleton
var skeleton embed.FS

// NewPack is what a new pack begins with.
type NewPack struct {
	Ref, Description, Author, Email string
}

// ErrName: a pack cannot be called that.
var ErrName = errors.New("a pack's name holds a-z, 0-9 and _ only")

// Create writes a new pack into a folder that must not exist yet, and lists its
// files.
func Create(dir string, p NewPack) ([]string, error) {
	if !refName.MatchString(p.Ref) || p.Ref == "_global" {
		return nil, fmt.Errorf("%q: %w", p.Ref, ErrName)
	}
	if exists(dir) {
		return nil, fmt.Errorf("%s is there already", dir)
	}
	if p.Description == "" {
		p.Description = "What the " + p.Ref + " pack is for."
	}
	if p.Author == "" {
		p.Author = "Somebody"
	}
	if p.Email == "" {
		p.Email = "somebody@example.com"
	}
	var files []string
	err := fs.WalkDir(skeleton, "skeleton", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		file := strings.TrimSuffix(strings.TrimPrefix(name, "skeleton/"), ".tmpl")
		body, err := skeleton.ReadFile(name)
		if err != nil {
			return err
		}
		// Packs are full of {{ }}, so the blanks to fill in are << >> here.
		t, err := template.New(path.Base(name)).Delims("<<", ">>").Parse(string(body))
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := t.Execute(&out, p); err != nil {
			return err
		}
		target := filepath.Join(dir, filepath.FromSlash(file))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		files = append(files, file)
		return os.WriteFile(target, out.Bytes(), 0o644)
	})
	slices.Sort(files)
	return files, err
}
