package packs

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"petrel/engine"
)

// Pack is the record of one pack.
type Pack struct {
	ID                string          `json:"id"`
	Ref               string          `json:"ref"`
	UID               string          `json:"uid"`
	Name              string          `json:"name"`
	Description       string          `json:"description"`
	Author            string          `json:"author"`
	Email             string          `json:"email,omitempty"`
	Version           string          `json:"version"`
	StackStormVersion string          `json:"stackstorm_version,omitempty"`
	PythonVersions    []string        `json:"python_versions,omitempty"`
	Keywords          []string        `json:"keywords,omitempty"`
	Contributors      []string        `json:"contributors,omitempty"`
	Dependencies      []string        `json:"dependencies,omitempty"`
	System            json.RawMessage `json:"system,omitempty"`
	Files             []string        `json:"files,omitempty"`
	Path              string          `json:"path,omitempty"` // folder on this machine
}

var (
	refPattern = regexp.MustCompile(`^[a-z0-9_]+$`)
	// A strict semantic version; pre-release and build parts in lower case.
	versionPattern = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)` +
		`(?:-[0-9a-z-]+(?:\.[0-9a-z-]+)*)?(?:\+[0-9a-z-]+(?:\.[0-9a-z-]+)*)?$`)
	requirementPattern = regexp.MustCompile(`^\s*((>?>|>=|=|<=|<?<)\s*[0-9]+\.[0-9]+\.[0-9]+)(\s*,\s*(>?>|>=|=|<=|<?<)\s*[0-9]+\.[0-9]+\.[0-9]+)*\s*$`)
)

// readPack reads the manifest. Unknown fields are allowed there.
func readPack(f *file, d folder, body []byte) *Pack {
	o := f.parse(body)
	if o == nil {
		return nil
	}
	p := &Pack{
		Name:              o.must("name", "give the pack a name"),
		Description:       o.must("description", "say in a sentence what the pack is for"),
		Author:            o.must("author", "name its author"),
		Email:             o.text("email"),
		Version:           o.scalarText("version"),
		StackStormVersion: o.text("stackstorm_version"),
		PythonVersions:    o.texts("python_versions"),
		Keywords:          o.texts("keywords"),
		Contributors:      o.texts("contributors"),
		Dependencies:      o.texts("dependencies"),
		System:            o.mapping("system"),
		Path:              d.dir,
	}
	p.Ref = packRef(o, d, p.Name)
	p.UID = "pack:" + p.Ref
	p.ID = engine.DeriveID(p.UID)
	switch {
	case !o.has("version"):
		f.report(o.line, "version is missing; give one of the form 1.2.3")
	case o.isScalar("version") && !versionPattern.MatchString(p.Version):
		f.report(o.lineOf("version"), "version %q is not of the form 1.2.3, 1.2.3-rc1 or 1.2.3+build", p.Version)
	}
	if v := p.StackStormVersion; v != "" && !requirementPattern.MatchString(v) {
		f.report(o.lineOf("stackstorm_version"), "stackstorm_version %q is not a list of requirements such as \">=3.0.0, <4.0.0\"", v)
	}
	for _, v := range p.PythonVersions {
		if v != "2" && v != "3" {
			f.report(o.lineOf("python_versions"), "python_versions may hold \"2\" and \"3\", not %q", v)
		}
	}
	if f.failed() {
		return nil
	}
	return p
}

// packRef finds the reference: the field, else the folder's name, else the
// pack's name, the first that has the form of one.
func packRef(o *object, d folder, name string) string {
	if o.has("ref") {
		ref := o.text("ref")
		switch {
		case !refPattern.MatchString(ref):
			o.file.report(o.lineOf("ref"), "ref %q may hold only a-z, 0-9 and _", ref)
		case ref == "_global":
			o.file.report(o.lineOf("ref"), "ref _global is reserved; choose another")
		}
		return ref
	}
	for _, candidate := range []string{d.name, name} {
		if refPattern.MatchString(candidate) && candidate != "_global" {
			return candidate
		}
	}
	o.file.report(o.line, "ref is missing, and neither the folder %q nor the name %q can serve as one; "+
		"add a ref of a-z, 0-9 and _, for example ref: %s", d.name, name, plainRef(d.name))
	return ""
}

// plainRef makes a reference of a name.
func plainRef(name string) string {
	ref := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	if ref == "" {
		return "my_pack"
	}
	return ref
}

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// ReadManifest reads the pack.yaml of a folder; name is what the folder is, or will
// be, called. It returns nil and what is wrong when that is no pack.
func ReadManifest(dir, name string) (*Pack, string) {
	path := filepath.Join(dir, manifest)
	f := &file{name: path}
	body, err := os.ReadFile(path)
	if err != nil {
		if isAbsent(err) {
			return nil, "there is no pack.yaml in it, so it is no pack"
		}
		return nil, err.Error()
	}
	if p := readPack(f, folder{name: name, dir: dir}, body); p != nil {
		return p, ""
	}
	var texts []string
	for _, problem := range f.problems {
		texts = append(texts, problem.String())
	}
	return nil, strings.Join(texts, "\n")
}
