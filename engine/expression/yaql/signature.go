package yaql

import (
	"fmt"
	"strconv"
	"strings"
)

// impl is the work of a function. It gets one value a parameter and then the further
// positional ones; s is the scope of the call.
type impl func(s *scope, a []any) (any, error)

// overload is one signature of a function or method with its work.
type overload struct {
	params []param
	fixed  int // how many of params can be given by position
	rest   *param
	named  bool // takes arguments of any name: they come as map[string]any after params
	pairs  bool // key => value is an argument of its own, not a name
	run    impl
}

// param is a parameter of an overload.
type param struct {
	name     string
	mask     kind
	mode     mode
	def      any
	optional bool
}

// mode says how an argument is handed over.
type mode uint8

const (
	byValue  mode = iota
	byLambda      // not evaluated: *lambda
	byPair        // key => value, evaluated: pair
	byRule        // key => value, not evaluated: *rule
)

// rule is an unevaluated key => value.
type rule struct{ key, val *lambda }

// noValue is the default of an argument whose absence means something else than null.
type noValue struct{}

var kinds = map[string]kind{
	"any": kAny, "null": kNull, "some": kAny &^ kNull, "bool": kBool, "int": kInt, "num": kNumber, "str": kString, "list": kList,
	"iter": kIterable, "ordered": kLazy, "lazy": kLazy, "dict": kDict, "set": kSet, "regex": kRegex, "time": kTime, "span": kSpan,
}

// parseSignature reads a list of parameters:
//
//	text:str, count:int=1, chars:str|null=null, selector:fn, *more:iter, default:any=null
//
// A parameter with a default is optional; the default none is noValue. Those behind the
// one with * can be given by name only; ** takes arguments of any name. The types
// pair and rule are key => value, evaluated or not.
func parseSignature(text string) *overload {
	o := &overload{fixed: -1}
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		switch {
		case part == "":
			continue
		case part == "**":
			o.named = true
			continue
		}
		spec, def, optional := strings.Cut(part, "=")
		name, types, ok := strings.Cut(spec, ":")
		if !ok {
			panic("signature without type: " + text)
		}
		p := param{name: strings.TrimPrefix(name, "*"), optional: optional}
		for _, t := range strings.Split(types, "|") {
			switch t {
			case "fn":
				p.mode = byLambda
			case "pair":
				p.mode, o.pairs = byPair, true
			case "rule":
				p.mode, o.pairs = byRule, true
			default:
				if kinds[t] == 0 {
					panic("unknown type in signature: " + text)
				}
				p.mask |= kinds[t]
			}
		}
		if optional {
			p.def = defaultOf(def)
		}
		if strings.HasPrefix(name, "*") {
			o.fixed, o.rest = len(o.params), &p
			continue
		}
		o.params = append(o.params, p)
	}
	if o.fixed < 0 {
		o.fixed = len(o.params)
	}
	return o
}

func defaultOf(text string) any {
	switch text {
	case "null":
		return nil
	case "none":
		return noValue{}
	case "true", "false":
		return text == "true"
	}
	if strings.HasPrefix(text, "'") {
		return strings.Trim(text, "'")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("default of a signature: " + text)
	}
	return n
}

// spell shows the parameters as a user writes them.
func (o *overload) spell(name string, method bool) string {
	var parts []string
	params := o.params
	prefix := ""
	if method && len(params) > 0 {
		prefix, params = params[0].name+".", params[1:]
	}
	for _, p := range params {
		switch {
		case !p.optional || p.def == (noValue{}):
			parts = append(parts, p.name)
		case p.def == nil:
			parts = append(parts, p.name+" => null")
		default:
			parts = append(parts, fmt.Sprintf("%s => %v", p.name, p.def))
		}
	}
	if o.rest != nil {
		rest := o.rest.name + ", ..."
		if o.pairs {
			rest = "key => value, ..."
		}
		parts = append(parts, rest)
	}
	if o.named {
		parts = append(parts, "name => value, ...")
	}
	return prefix + name + "(" + strings.Join(parts, ", ") + ")"
}

// Where an argument of a call comes from: an index into the positional ones, or one of these.
const (
	fromDefault = -1
	fromNamed   = -2 // minus the index into the named ones
)

// plan lays the arguments of a call on the parameters of an overload, by number and
// names alone; ok=false when they do not fit.
type plan struct {
	overload *overload
	from     []int // one a parameter
	rest     int   // first positional argument that belongs to rest
	named    []int // named arguments that go to **
}

// shape is what a call looks like before its arguments are evaluated.
type shape struct {
	positional int
	empty      []bool   // positions left empty; nil when none is
	pairs      int      // how many of the last positional ones are key => value
	names      []string // of named arguments, when pairs is not counted among positional
}

func (o *overload) plan(c shape) (*plan, bool) {
	p := &plan{overload: o, from: make([]int, len(o.params)), rest: c.positional}
	if c.positional > o.fixed {
		if o.rest == nil {
			return nil, false
		}
		p.rest = o.fixed
		for i := o.fixed; i < c.positional; i++ {
			if c.empty != nil && c.empty[i] || !pairFits(o.rest.mode, c, i) {
				return nil, false
			}
		}
	}
	taken := make([]bool, len(c.names))
	for i := range o.params {
		par := &o.params[i]
		p.from[i] = fromDefault
		given := i < o.fixed && i < c.positional && !(c.empty != nil && c.empty[i])
		for j, name := range c.names {
			if name == par.name && !taken[j] {
				if given {
					return nil, false
				}
				taken[j], p.from[i] = true, fromNamed-j
			}
		}
		switch {
		case given && pairFits(par.mode, c, i):
			p.from[i] = i
		case given, p.from[i] == fromDefault && !par.optional:
			return nil, false
		}
	}
	for j := range taken {
		if !taken[j] {
			if !o.named {
				return nil, false
			}
			p.named = append(p.named, j)
		}
	}
	return p, true
}

// pairFits tells whether argument i is key => value exactly where the parameter wants it.
func pairFits(m mode, c shape, i int) bool {
	return (m == byPair || m == byRule) == (i >= c.positional-c.pairs)
}
