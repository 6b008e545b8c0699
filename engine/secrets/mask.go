package secrets

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"petrel/engine/expression/value"
)

// Masked stands where a secret text was.
const Masked = "********"

// MinLength is how many characters a text must have to be hidden wherever it
// occurs: shorter ones occur in innocent texts all the time.
const MinLength = 5

// Masker hides texts that are known to be secret. The zero value knows none. It
// is safe for concurrent use.
type Masker struct {
	mu       sync.Mutex
	groups   map[string][]string // what Replace set
	replacer *strings.Replacer   // nil: to be made anew
	empty    bool
}

// NewMasker returns a Masker of some texts.
func NewMasker(texts ...string) *Masker {
	m := &Masker{}
	m.Replace("", texts)
	return m
}

// Replace makes texts the secret ones of a group, in the place of those before.
func (m *Masker) Replace(group string, texts []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.groups == nil {
		m.groups = map[string][]string{}
	}
	if len(texts) == 0 {
		delete(m.groups, group)
	} else {
		m.groups[group] = slices.Clone(texts)
	}
	m.replacer = nil
}

// maxAdded is how many texts Add keeps in a group.
const maxAdded = 1000

// Add adds a secret text to a group; of very many the oldest is forgotten.
func (m *Masker) Add(group, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.groups[group], text) {
		return
	}
	if m.groups == nil {
		m.groups = map[string][]string{}
	}
	list := append(m.groups[group], text)
	m.groups[group] = list[max(0, len(list)-maxAdded):]
	m.replacer = nil
}

// Text hides the secret texts in s. A secret of several lines is hidden line by
// line as well.
func (m *Masker) Text(s string) string {
	if r := m.current(); r != nil {
		return r.Replace(s)
	}
	return s
}

// JSON hides the secret texts in a JSON value, in numbers too. What is no JSON
// becomes null when it holds one.
func (m *Masker) JSON(raw json.RawMessage) json.RawMessage {
	r := m.current()
	if r == nil || len(raw) == 0 || !bytes.Contains(raw, []byte{'\\'}) && r.Replace(string(raw)) == string(raw) {
		return raw // texts without escapes stand there as they are
	}
	v, err := value.ParseJSON(raw)
	if err != nil {
		return json.RawMessage("null")
	}
	out, err := value.AppendJSON(nil, maskValue(r, v, 0))
	if err != nil {
		return json.RawMessage("null")
	}
	return out
}

const maxDepth = 500

func maskValue(r *strings.Replacer, v any, depth int) any {
	if depth > maxDepth {
		return Masked
	}
	switch x := v.(type) {
	case string:
		return r.Replace(x)
	case *value.List:
		out := &value.List{Items: make([]any, len(x.Items))}
		for i, item := range x.Items {
			out.Items[i] = maskValue(r, item, depth+1)
		}
		return out
	case *value.Dict:
		out := value.NewDict(x.Len())
		for k, item := range x.All() {
			if name, ok := k.(string); ok {
				k = r.Replace(name)
			}
			_ = out.Set(k, maskValue(r, item, depth+1)) // keys of JSON can be keys
		}
		return out
	case nil, bool:
		return v
	}
	if text := value.Str(v); r.Replace(text) != text {
		return Masked
	}
	return v
}

// current is the replacer of the texts known now, nil when there are none.
func (m *Masker) current() *strings.Replacer {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.replacer == nil {
		m.build()
	}
	if m.empty {
		return nil
	}
	return m.replacer
}

func (m *Masker) build() {
	known := map[string]bool{}
	for _, group := range m.groups {
		for _, text := range group {
			for _, form := range forms(text) {
				known[form] = true
			}
		}
	}
	texts := slices.Collect(maps.Keys(known))
	// Of two that begin at the same place the longer one counts.
	slices.SortFunc(texts, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	pairs := make([]string, 0, 2*len(texts))
	for _, text := range texts {
		pairs = append(pairs, text, Masked)
	}
	m.replacer, m.empty = strings.NewReplacer(pairs...), len(texts) == 0
}

// forms are the texts to look for: the secret itself, its lines, and both as JSON
// writes them.
func forms(text string) []string {
	var out []string
	add := func(s string, least int) {
		s = strings.TrimSpace(s)
		if utf8.RuneCountInString(s) < least || strings.HasPrefix(s, "-----") {
			return
		}
		out = append(out, s)
		if quoted, err := json.Marshal(s); err == nil && string(quoted[1:len(quoted)-1]) != s {
			out = append(out, string(quoted[1:len(quoted)-1]))
		}
	}
	add(text, MinLength)
	if strings.Contains(text, "\n") {
		for line := range strings.Lines(text) {
			add(line, 2*MinLength)
		}
	}
	return out
}
