//go:build unix

package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// Entry is a pack in an index.
type Entry struct {
	Ref         string   `json:"ref"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Author      string   `json:"author"`
	Email       string   `json:"email,omitempty"`
	Version     string   `json:"version"`
	URL         string   `json:"repo_url"`
	Keywords    []string `json:"keywords,omitempty"`
}

// Index is what indexes list, by name.
type Index map[string]Entry

// indexLimit bounds an index, in bytes, and the time to fetch it.
const (
	indexLimit   = 64 << 20
	indexTimeout = 30 * time.Second
)

// LoadIndex reads indexes, which are URLs or files, and merges them: of two packs
// with the same name the one of the index listed first counts. It fails when none
// could be read; when only some could not, the error says which, and the index
// holds the others.
func LoadIndex(ctx context.Context, places []string) (Index, error) {
	if len(places) == 0 {
		return nil, errors.New("no index of packs is configured (pack_index)")
	}
	index := Index{}
	var problems []error
	read := 0
	for _, place := range places {
		found, err := loadOne(ctx, place)
		if err != nil {
			problems = append(problems, fmt.Errorf("index %s: %w", place, err))
			continue
		}
		read++
		for name, entry := range found {
			if _, taken := index[name]; !taken {
				index[name] = entry
			}
		}
	}
	err := errors.Join(problems...)
	if read == 0 {
		return nil, err
	}
	return index, err
}

func loadOne(ctx context.Context, place string) (Index, error) {
	ctx, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	body, err := fetch(ctx, place)
	if err != nil {
		return nil, err
	}
	var file struct {
		Packs map[string]json.RawMessage `json:"packs"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, fmt.Errorf("malformed: %w", err)
	}
	if len(file.Packs) == 0 {
		return nil, errors.New("it lists no packs")
	}
	index := Index{}
	for name, raw := range file.Packs {
		var e Entry
		if json.Unmarshal(raw, &e) != nil || e.URL == "" {
			continue // one that cannot be used shall not hide the others
		}
		if e.Ref == "" {
			e.Ref = name
		}
		index[name] = e
	}
	return index, nil
}

func fetch(ctx context.Context, place string) ([]byte, error) {
	if path, ok := strings.CutPrefix(place, "file://"); ok || !strings.Contains(place, "://") {
		return os.ReadFile(path)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("unresponsive: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, indexLimit))
}

// Search lists the packs that hold a text in their name, description, keywords or
// author, ordered by name.
func (x Index) Search(text string) []Entry {
	text = strings.ToLower(text)
	var hits []Entry
	for _, name := range slices.Sorted(maps.Keys(x)) {
		e := x[name]
		all := strings.ToLower(strings.Join(append([]string{name, e.Ref, e.Name, e.Description, e.Author}, e.Keywords...), "\n"))
		if strings.Contains(all, text) {
			hits = append(hits, e)
		}
	}
	return hits
}
