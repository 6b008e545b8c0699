//go:build unix

package virtualenv

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// needs is what a pack wants to have installed.
type needs struct {
	file    string   // requirements.txt, "" when there is none or it names nothing
	implied []string // distributions, sorted
}

// brought maps modules that every action finds in StackStorm's own environment
// to the distributions that hold them: packs import them without asking.
var brought = map[string]string{
	"cryptography": "cryptography", "dateutil": "python-dateutil", "eventlet": "eventlet", "git": "GitPython",
	"jinja2": "Jinja2", "jsonpath_rw": "jsonpath-rw", "jsonschema": "jsonschema", "networkx": "networkx", "orjson": "orjson",
	"paramiko": "paramiko", "passlib": "passlib", "psutil": "psutil", "pymongo": "pymongo", "pytz": "pytz", "requests": "requests",
	"retrying": "retrying", "semver": "semver", "simplejson": "simplejson", "six": "six", "st2client": "st2client", "tabulate": "tabulate",
	"tenacity": "tenacity", "webob": "WebOb", "yaml": "PyYAML",
}

var (
	importLine = regexp.MustCompile(`(?m)^[ \t]*(?:from[ \t]+([A-Za-z_]\w*)(?:\.[\w.]*)?[ \t]+import\b|import[ \t]+([^#\n]+))`)
	separators = regexp.MustCompile(`[-_.]+`)
)

// needsOf reads the requirements of a pack and looks at its imports, those of its
// tests too if that is wanted.
func needsOf(dir string, tests bool) (needs, error) {
	var n needs
	text, err := os.ReadFile(filepath.Join(dir, "requirements.txt"))
	if err != nil && !os.IsNotExist(err) {
		return n, err
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if n.file == "" {
			if n.file, err = filepath.Abs(filepath.Join(dir, "requirements.txt")); err != nil {
				return n, err
			}
		}
		named[plainName(line)] = true
	}
	parts := []string{"actions", "sensors", "lib"}
	if tests {
		parts = append(parts, "tests")
	}
	imported, err := importsOf(dir, parts)
	if err != nil {
		return n, err
	}
	for _, module := range imported {
		if d := brought[module]; d != "" && !named[plainName(d)] && !own(dir, module) {
			n.implied = append(n.implied, d)
		}
	}
	slices.Sort(n.implied)
	return n, nil
}

// plainName is the name of a requirement in its normal form (PEP 503).
func plainName(requirement string) string {
	end := strings.IndexFunc(requirement, func(r rune) bool { return strings.ContainsRune("<>=!~;[ @(", r) })
	if end >= 0 {
		requirement = requirement[:end]
	}
	return strings.ToLower(separators.ReplaceAllString(requirement, "-"))
}

// importsOf lists the modules that the code in some folders of a pack imports,
// without what is below them.
func importsOf(dir string, parts []string) ([]string, error) {
	found := map[string]bool{}
	for _, part := range parts {
		err := filepath.WalkDir(filepath.Join(dir, part), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || filepath.Ext(path) != ".py" {
				if os.IsNotExist(err) {
					return nil
				}
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range importLine.FindAllSubmatch(text, -1) {
				found[string(m[1])] = true
				for name := range strings.SplitSeq(string(m[2]), ",") {
					name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
					name, _, _ = strings.Cut(name, ".")
					found[name] = true
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	delete(found, "")
	list := make([]string, 0, len(found))
	for name := range found {
		list = append(list, name)
	}
	return list, nil
}

// own tells whether a pack has a module of this name itself.
func own(dir, module string) bool {
	for _, place := range []string{"actions", "actions/lib", "lib"} {
		if exists(filepath.Join(dir, place, module)) || exists(filepath.Join(dir, place, module+".py")) {
			return true
		}
	}
	return false
}
