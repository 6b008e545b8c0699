// Package rules decides which rules an event sets off: it compiles criteria once, evaluates them with Python's semantics as StackStorm does,
// and can say of every criterion what was compared with what and why it did not hold.
//
// The package is pure: it knows nothing of storage, of the bus, of how a rule's action is run, and not even how a pattern is rendered; a
// Renderer is handed in.
package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"petrel/engine/expression/jsonpath"
	"petrel/engine/expression/value"
)

// The types of rules. A backstop rule is looked at only when no standard rule of its trigger matched.
const (
	Standard = "standard"
	Backstop = "backstop"
)

// Definition is what matching needs to know of a rule.
type Definition struct {
	Ref     string
	Enabled bool
	Type    string // Standard, Backstop or empty for standard
	Trigger string // ref of the trigger
	// Criteria is a JSON object: key -> {type, pattern, condition}, evaluated in the order written. Null or empty: every event matches.
	Criteria json.RawMessage
	// When is a condition in Petrel's own expression language, tested after the criteria; empty: none.
	When string
}

// Renderer renders the patterns that hold a template: the result has the type of the value when the text is one expression.
type Renderer interface {
	Typed(ctx context.Context, pattern string, names map[string]any) (any, error)
}

// Condition is a compiled `when` expression.
type Condition interface {
	Holds(ctx context.Context, names map[string]any) (bool, error)
}

// Options are what compiled rules use of the world.
type Options struct {
	Renderer Renderer                             // required as soon as a pattern holds a template
	When     func(expr string) (Condition, error) // required as soon as a rule has a When
	Now      func() time.Time                     // for the timediff operators; nil: time.Now
}

// Rule is a compiled rule, immutable and safe for concurrent use.
type Rule struct {
	Definition
	criteria []criterion
	when     Condition
	options  Options
}

// criterion is one entry of criteria, compiled as far as it can be without an event.
type criterion struct {
	key, typ, condition string
	hasType             bool
	pattern             any  // the value model; text is rendered unless static
	static              bool // pattern needs no rendering
	path                *jsonpath.Path
	systemKey           string // the datastore item that the key names, system.<item>
	pathErr             error
	prepare             prepare     // nil: unknown operator
	test                test        // prepared from a static pattern
	search              bool        // the exact type `search`
	children            []criterion // of a search with a static pattern
	childErr            error
}

// Compile prepares a rule for evaluation. What StackStorm notices only while it evaluates (a key that is no path, an unknown operator, an
// invalid regular expression) is no error here either: it becomes a problem of the evaluation. Use Check before a rule is stored.
func Compile(d Definition, o Options) (*Rule, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	switch d.Type {
	case "":
		d.Type = Standard
	case Standard, Backstop:
	default:
		return nil, fmt.Errorf("compile rule %s: type is %q, must be standard or backstop", d.Ref, d.Type)
	}
	r := &Rule{Definition: d, options: o}
	entries, err := parseCriteria(d.Criteria)
	if err != nil {
		return nil, fmt.Errorf("compile rule %s: %w", d.Ref, err)
	}
	if r.criteria, err = compileCriteria(entries); err != nil {
		return nil, fmt.Errorf("compile rule %s: %w", d.Ref, err)
	}
	if r.needsRenderer() && o.Renderer == nil {
		return nil, fmt.Errorf("compile rule %s: a pattern holds a template, and there is nothing to render it", d.Ref)
	}
	if d.When == "" {
		return r, nil
	}
	if o.When == nil {
		return nil, fmt.Errorf("compile rule %s: when is not supported here", d.Ref)
	}
	if r.when, err = o.When(d.When); err != nil {
		return nil, fmt.Errorf("compile rule %s: when: %w", d.Ref, err)
	}
	return r, nil
}

func parseCriteria(raw json.RawMessage) (*value.Dict, error) {
	if len(raw) == 0 {
		return value.NewDict(0), nil
	}
	parsed, err := value.ParseJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("criteria: %w", err)
	}
	switch entries := parsed.(type) {
	case nil:
		return value.NewDict(0), nil
	case *value.Dict:
		return entries, nil
	}
	return nil, fmt.Errorf("criteria must be an object of key: {type, pattern}, not a %s", value.TypeName(parsed))
}

func compileCriteria(entries *value.Dict) ([]criterion, error) {
	var list []criterion
	for key, entry := range entries.All() {
		fields, ok := entry.(*value.Dict)
		if !ok {
			return nil, fmt.Errorf("criteria key %s must have an object {type, pattern}, not a %s", value.Str(key), value.TypeName(entry))
		}
		c, err := compileCriterion(value.Str(key), fields)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func compileCriterion(key string, fields *value.Dict) (criterion, error) {
	c := criterion{key: key}
	typ, hasType := fields.GetString("type")
	if c.typ, c.hasType = typ.(string); hasType != c.hasType {
		return c, fmt.Errorf("criteria key %s: type must be the name of an operator, not a %s", key, value.TypeName(typ))
	}
	c.pattern, _ = fields.GetString("pattern")
	if condition, ok := fields.GetString("condition"); ok {
		c.condition = value.Str(condition)
	} else {
		c.condition = "None"
	}
	path, _, _ := strings.Cut(key, "#")
	c.systemKey, _ = strings.CutPrefix(strings.TrimPrefix(path, "$."), "system.")
	if c.systemKey == strings.TrimPrefix(path, "$.") {
		c.systemKey = ""
	}
	c.path, c.pathErr = jsonpath.Compile(path)
	c.search = c.typ == searchOperator
	c.prepare = operators[strings.ToLower(c.typ)]
	text, isText := c.pattern.(string)
	if c.static = !isText || !hasTemplate(text); !c.static {
		return c, nil
	}
	if isText {
		c.pattern = plainText(text)
	}
	switch {
	case c.search:
		c.children, c.childErr = compileChildren(c.pattern)
	case c.prepare != nil:
		c.test = c.prepare(c.pattern)
	}
	return c, nil
}

// compileChildren compiles the pattern of a search, a map of criteria on each item.
func compileChildren(pattern any) ([]criterion, error) {
	entries, ok := pattern.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("the pattern of a search must be an object of item keys, not a %s", value.TypeName(pattern))
	}
	return compileCriteria(entries)
}

// hasTemplate reports whether rendering may change more than the line ends of a text.
func hasTemplate(text string) bool {
	return strings.Contains(text, "{{") || strings.Contains(text, "{%") || strings.Contains(text, "{#")
}

// plainText is what rendering makes of a text without a template: line ends become \n, and one at the very end is dropped.
func plainText(text string) string {
	if strings.Contains(text, "\r") {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	}
	return strings.TrimSuffix(text, "\n")
}

func (r *Rule) needsRenderer() bool { return anyDynamic(r.criteria) }

func anyDynamic(list []criterion) bool {
	for _, c := range list {
		if !c.static || anyDynamic(c.children) {
			return true
		}
	}
	return false
}

// Check is the test of criteria before a rule is stored: every criterion needs a known operator, spelled in lower case, and a pattern that is
// not null, even where the operator ignores it. Criteria inside of a search are not checked, as in StackStorm; see Warnings.
func Check(d Definition) error {
	entries, err := parseCriteria(d.Criteria)
	if err != nil {
		return fmt.Errorf("check rule %s: %w", d.Ref, err)
	}
	var failed []error
	for key, entry := range entries.All() {
		fields, ok := entry.(*value.Dict)
		if !ok {
			failed = append(failed, fmt.Errorf("criteria key %s must have an object {type, pattern}", value.Str(key)))
			continue
		}
		typ, _ := fields.GetString("type")
		if name, _ := typ.(string); operators[name] == nil {
			failed = append(failed, fmt.Errorf("criteria key %s: type is %s, must be one of %s", value.Str(key), value.Repr(typ), strings.Join(Operators(), ", ")))
		}
		if pattern, _ := fields.GetString("pattern"); pattern == nil {
			failed = append(failed, fmt.Errorf("criteria key %s has no pattern; give any value when the operator needs none", value.Str(key)))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("check rule %s: %w", d.Ref, errors.Join(failed...))
	}
	return nil
}

// Warnings lists what is accepted and will never match: keys that are no paths, regular expressions that do not compile, unknown operators
// and conditions inside of a search.
func (r *Rule) Warnings() []string { return warnings(r.criteria, "criteria") }

func warnings(list []criterion, where string) []string {
	var found []string
	add := func(c criterion, format string, args ...any) {
		found = append(found, fmt.Sprintf("%s key %s: ", where, c.key)+fmt.Sprintf(format, args...))
	}
	for _, c := range list {
		if c.pathErr != nil {
			add(c, "%v", c.pathErr)
		}
		switch {
		case c.prepare == nil:
			add(c, "there is no operator %q", c.typ)
		case c.search && !isCondition(c.condition):
			add(c, "condition is %s, must be any, all, any2any or all2any", c.condition)
		case c.search && c.static && c.childErr != nil:
			add(c, "%v", c.childErr)
		case c.static && c.pattern == nil:
			add(c, "the pattern is null, so this is the same for every event")
		case c.test != nil && isRegex(c.typ):
			if _, err := c.test(environment{}, ""); err != nil {
				add(c, "%v", err)
			}
		}
		found = append(found, warnings(c.children, where+" key "+c.key)...)
	}
	return found
}
