package packs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// manifest is the file that makes a folder a pack.
const manifest = "pack.yaml"

// Source is a place that holds packs: each sub-folder with a pack.yaml is one,
// and a place with a pack.yaml of its own is one pack.
type Source struct {
	// Dir is the folder on this machine. It is where entry points are found
	// and how files are named in problems.
	Dir string
	// FS, when set, is read instead of Dir.
	FS fs.FS
	// Configs is the folder on this machine that holds the configuration of each
	// pack, <ref>.yaml; "" when packs have none.
	Configs string
	// Overrides is the folder on this machine that holds what an installation
	// switches on and off, _global.yaml and <ref>.yaml; "" when it does not.
	Overrides string
}

// Dir is a Source on disk.
func Dir(dir string) Source { return Source{Dir: dir} }

// folder is one pack folder.
type folder struct {
	fsys fs.FS  // rooted at the pack
	name string // of the folder
	dir  string // on this machine; the name alone for packs that are nowhere on disk

	configs, overrides string // see Source
}

// shown is how a file of the pack is named to people.
func (d folder) shown(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// folders lists the packs of a source, in the order of their names.
func (s Source) folders() ([]folder, error) {
	root := s.FS
	if root == nil {
		root = os.DirFS(s.Dir)
	}
	if _, err := fs.Stat(root, manifest); err == nil {
		abs, err := filepath.Abs(s.Dir)
		if err != nil {
			return nil, err
		}
		return []folder{{fsys: root, name: filepath.Base(abs), dir: s.Dir, configs: s.Configs, overrides: s.Overrides}}, nil
	}
	entries, err := fs.ReadDir(root, ".")
	if err != nil {
		return nil, err
	}
	var out []folder
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || e.Name() == "__pycache__" {
			continue
		}
		if _, err := fs.Stat(root, path.Join(e.Name(), manifest)); err != nil {
			continue // not a pack
		}
		sub, err := fs.Sub(root, e.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, folder{fsys: sub, name: e.Name(), dir: filepath.Join(s.Dir, e.Name()), configs: s.Configs, overrides: s.Overrides})
	}
	return out, nil
}

// metadataFiles lists the metadata files directly in one of the pack's folders,
// as slash paths. Deeper files are workflows, templates and scripts.
func (d folder) metadataFiles(kind string) ([]string, error) {
	entries, err := fs.ReadDir(d.fsys, kind)
	if err != nil {
		if isAbsent(err) {
			return nil, nil
		}
		return nil, err
	}
	var names []string
	for _, e := range entries {
		ext := path.Ext(e.Name())
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || ext != ".yaml" && ext != ".yml" {
			continue
		}
		if kind == "actions" && (e.Name() == "config.yaml" || e.Name() == "config.yml") {
			continue // an old name of the pack's configuration
		}
		names = append(names, path.Join(kind, e.Name()))
	}
	return names, nil
}

// files lists everything the pack consists of.
func (d folder) files() ([]string, error) {
	var names []string
	err := fs.WalkDir(d.fsys, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == ".git":
			return fs.SkipDir
		case !e.IsDir() && path.Ext(name) != ".pyc":
			names = append(names, name)
		}
		return nil
	})
	return names, err
}
