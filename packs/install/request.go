//go:build unix

package install

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Request says which pack is wanted: PLACE or PLACE=VERSION. PLACE is a name in an
// index, a folder, a URL that git takes, or OWNER/REPOSITORY on GitHub. VERSION is
// a version, tag, branch or commit.
type Request struct {
	Text    string // as it was given
	Name    string // in an index; "" when URL or Folder says where
	URL     string
	Folder  string
	Version string

	asked string // Version, unless it is that of the index
}

var indexName = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*$`)

var gitHub = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*/[\w.-]+$`)

// ParseRequest reads what somebody asks for.
func ParseRequest(text string) (Request, error) {
	r := Request{Text: text}
	place, version := text, ""
	// A URL may hold = itself; a version holds none of / ? & :.
	if at := strings.LastIndexByte(text, '='); at > 0 && !strings.ContainsAny(text[at+1:], "/?&:") {
		place, version = strings.TrimSuffix(text[:at], "="), text[at+1:]
		if version == "" {
			return r, fmt.Errorf("%q names no version behind the =", text)
		}
	}
	if strings.HasPrefix(version, "-") {
		return r, fmt.Errorf("%q is no version", version)
	}
	r.Version, r.asked = version, version
	switch {
	case place == "" || strings.HasPrefix(place, "-"):
		return r, fmt.Errorf("%q names no pack; write the name of a pack, ./FOLDER, or the URL of a git repository", text)
	case strings.HasPrefix(place, "file://"):
		r.Folder = filepath.Clean(strings.TrimPrefix(place, "file://"))
		if !filepath.IsAbs(r.Folder) {
			return r, fmt.Errorf("%q: write file:// and a whole path, such as file:///srv/packs/mine", text)
		}
	case place == "." || place == ".." || filepath.IsAbs(place) || strings.HasPrefix(place, "./") || strings.HasPrefix(place, "../"):
		abs, err := filepath.Abs(place)
		if err != nil {
			return r, fmt.Errorf("%q: %w", text, err)
		}
		r.Folder = abs
	case strings.Contains(place, "::"):
		return r, fmt.Errorf("%q: git's transport helpers are not used", text)
	case gitHub.MatchString(place):
		r.URL = "https://github.com/" + place
	case strings.ContainsAny(place, "/:@"):
		r.URL = place
	case !indexName.MatchString(place):
		return r, fmt.Errorf("%q is no name of a pack", place)
	default:
		r.Name = place
	}
	return r, nil
}
