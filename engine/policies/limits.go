package policies

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"petrel/engine"
)

// Limit is a concurrency policy of an action, read.
type Limit struct {
	Policy string // ref
	engine.ConcurrencyLimit
	byAttributes bool
}

// Limits reads the concurrency policies among those of an action, in their order.
func Limits(list []*engine.Policy) ([]Limit, error) {
	var limits []Limit
	for _, p := range list {
		if p.PolicyType != engine.PolicyConcurrency && p.PolicyType != engine.PolicyConcurrencyAttr {
			continue
		}
		l := Limit{Policy: p.Ref, byAttributes: p.PolicyType == engine.PolicyConcurrencyAttr}
		if err := json.Unmarshal(p.Parameters, &l.ConcurrencyLimit); err != nil {
			return nil, fmt.Errorf("parameters of policy %s: %w", p.Ref, err)
		}
		limits = append(limits, l)
	}
	return limits, nil
}

// Key is what the executions have in common that a limit counts together: the
// policy and, for action.concurrency.attr, the values of its attributes. value
// returns a parameter as it takes effect, defaults included, as JSON; nil: it has
// none.
func (l Limit) Key(value func(name string) json.RawMessage) string {
	if !l.byAttributes || len(l.Attributes) == 0 {
		return l.Policy
	}
	h := sha256.New()
	for _, name := range slices.Sorted(slices.Values(l.Attributes)) {
		fmt.Fprintf(h, "%q=%s\n", name, canonical(value(name)))
	}
	return l.Policy + "#" + hex.EncodeToString(h.Sum(nil)[:8])
}

// PolicyOf is the policy that a key belongs to.
func PolicyOf(key string) string {
	ref, _, _ := strings.Cut(key, "#")
	return ref
}

// canonical prints a JSON value so that equal values have equal texts: keys in
// order, 1.0 as 1.
func canonical(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "null"
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	body, err := json.Marshal(plain(v))
	if err != nil {
		return string(raw)
	}
	return string(body)
}

// maxExact is up to where a float holds every whole number.
const maxExact = 1 << 53

func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") && f == math.Trunc(f) && math.Abs(f) < maxExact {
			return json.Number(strconv.FormatInt(int64(f), 10))
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// Gate says which executions of one action have their slots now. It is what the
// processes of a deployment agree upon: whoever takes, frees or waits for a slot
// replaces it.
type Gate struct {
	Holders []Holder `json:"holders,omitempty"`
	Waiting int      `json:"waiting"` // how many stand in the line
}

// Holder is an execution that has a slot of each of its keys.
type Holder struct {
	Execution string   `json:"execution"`
	Keys      []string `json:"keys"`
}

// Holds reports whether an execution has its slots.
func (g *Gate) Holds(execution string) bool { return g.find(execution) >= 0 }

func (g *Gate) find(execution string) int {
	return slices.IndexFunc(g.Holders, func(h Holder) bool { return h.Execution == execution })
}

// Take gives an execution its slots.
func (g *Gate) Take(execution string, keys []string) {
	if !g.Holds(execution) {
		g.Holders = append(g.Holders, Holder{execution, keys})
	}
}

// Free takes the slots of an execution back and returns its keys; ok is false
// when it has none.
func (g *Gate) Free(execution string) (keys []string, ok bool) {
	i := g.find(execution)
	if i < 0 {
		return nil, false
	}
	keys = g.Holders[i].Keys
	g.Holders = slices.Delete(g.Holders, i, i+1)
	return keys, true
}

// Of lists the executions that have a slot of a key.
func (g *Gate) Of(key string) []string {
	var list []string
	for _, h := range g.Holders {
		if slices.Contains(h.Keys, key) {
			list = append(list, h.Execution)
		}
	}
	return list
}

// Full returns those of an execution's keys that have no slot left. A key whose
// policy is gone, or disabled, has no bound.
func (g *Gate) Full(keys []string, limits []Limit) []string {
	var full []string
	for _, key := range keys {
		for _, l := range limits {
			if l.Policy == PolicyOf(key) && len(g.Of(key)) >= l.Threshold {
				full = append(full, key)
			}
		}
	}
	return full
}
