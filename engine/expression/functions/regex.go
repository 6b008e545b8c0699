package functions

import (
	"fmt"
	"sync"

	"petrel/engine/expression/pyregex"
	"petrel/engine/expression/value"
)

// Patterns keeps compiled regular expressions, a bounded number of them. It is safe
// for concurrent use; the zero value is ready. A nil *Patterns keeps nothing.
type Patterns struct {
	mu    sync.RWMutex
	known map[patternKey]*pyregex.Regexp
}

type patternKey struct {
	pattern string
	flags   pyregex.Flags
}

// maxPatterns bounds a cache of patterns; when it is full it starts afresh.
const maxPatterns = 512

// maxKeptPattern is the longest pattern worth keeping, in bytes.
const maxKeptPattern = 1024

// Compile gives the compiled pattern, from the cache where it is known.
func (p *Patterns) Compile(pattern string, flags pyregex.Flags) (*pyregex.Regexp, error) {
	if p == nil || len(pattern) > maxKeptPattern {
		return pyregex.Compile(pattern, flags)
	}
	key := patternKey{pattern, flags}
	p.mu.RLock()
	re := p.known[key]
	p.mu.RUnlock()
	if re != nil {
		return re, nil
	}
	re, err := pyregex.Compile(pattern, flags)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil || len(p.known) >= maxPatterns {
		p.known = make(map[patternKey]*pyregex.Regexp)
	}
	p.known[key] = re
	return re, nil
}

func regexFuncs() []*Func {
	tested := []Param{need("value"), need("pattern"), opt("ignorecase", false)}
	return []*Func{
		{Name: "regex_match", Params: tested, Dialect: Everywhere, Run: func(c *Call, a []any) (any, error) {
			re, err := c.pattern(a[1], a[2])
			if err != nil {
				return nil, err
			}
			m, err := re.MatchStart(text(a[0]))
			return m != nil, err
		}},
		{Name: "regex_search", Params: tested, Dialect: Everywhere, Run: func(c *Call, a []any) (any, error) {
			re, err := c.pattern(a[1], a[2])
			if err != nil {
				return nil, err
			}
			m, err := re.Search(text(a[0]))
			return m != nil, err
		}},
		{Name: "regex_replace", Dialect: Everywhere, Run: regexReplace,
			Params: []Param{need("value"), need("pattern"), need("replacement"), opt("ignorecase", false)}},
		{Name: "regex_substring", Dialect: Everywhere, Run: regexSubstring,
			Params: []Param{need("value"), need("pattern"), opt("result_index", int64(0)), opt("ignorecase", false)}},
	}
}

func (c *Call) pattern(pattern, ignoreCase any) (*pyregex.Regexp, error) {
	p, ok := pattern.(string)
	if !ok {
		return nil, fmt.Errorf("a pattern must be text, not %s", value.TypeName(pattern))
	}
	var flags pyregex.Flags
	if value.Truth(ignoreCase) {
		flags = pyregex.IgnoreCase
	}
	var cache *Patterns
	if c != nil {
		cache = c.Patterns
	}
	return cache.Compile(p, flags)
}

func regexReplace(c *Call, a []any) (any, error) {
	re, err := c.pattern(a[1], a[3])
	if err != nil {
		return nil, err
	}
	repl, err := mustText("regex_replace", a[2])
	if err != nil {
		return nil, err
	}
	return re.Replace(text(a[0]), repl, 0)
}

// regexSubstring is re.findall(...)[i]: the match, its group when the pattern has
// one, or a tuple of all its groups.
func regexSubstring(c *Call, a []any) (any, error) {
	re, err := c.pattern(a[1], a[3])
	if err != nil {
		return nil, err
	}
	i, err := wholeNumber("regex_substring", "result_index", a[2])
	if err != nil {
		return nil, err
	}
	found, err := re.FindAll(text(a[0]), 0)
	if err != nil {
		return nil, err
	}
	if i < 0 {
		i += len(found)
	}
	if i < 0 || i >= len(found) {
		return nil, fmt.Errorf("list index out of range: the pattern %s is found %d times", value.Repr(a[1]), len(found))
	}
	groups := found[i].Groups
	switch len(groups) {
	case 1:
		return groups[0].Text, nil
	case 2:
		return groups[1].Text, nil
	}
	all := make(value.Tuple, len(groups)-1)
	for g := range all {
		all[g] = groups[g+1].Text
	}
	return all, nil
}
