package jinja

import (
	"fmt"
	"iter"
	"sort"

	"petrel/engine/expression/diagnose"
	"petrel/engine/expression/value"
)

// undefined is the value of what is not there. A strict one fails whenever it is
// used, a lenient one acts as empty text where it is printed or iterated.
type undefined struct {
	name   any    // the name, attribute or index that was looked for
	obj    any    // where it was looked for
	hasObj bool   // false: at the top level of the template
	hint   string // a message of its own
	strict bool
	kind   Kind // Undefined, or Security when the sandbox refuses
	st     *state
	pos    int
}

func (u *undefined) TypeName() string { return "Undefined" }

// Repr is what an undefined in a list prints as.
func (u *undefined) Repr() string { return "Undefined" }

// Str is the text of a lenient undefined.
func (u *undefined) Str() string { return "" }

// Truth of a lenient undefined is false.
func (u *undefined) Truth() bool { return false }

// Iterate goes over nothing.
func (u *undefined) Iterate() iter.Seq[any] { return func(func(any) bool) {} }

// Len is zero.
func (u *undefined) Len() int { return 0 }

// Plain refuses: an undefined has no plain form.
func (u *undefined) Plain() (any, error) { return nil, u.err() }

// err is the failure that using the undefined gives.
func (u *undefined) err() error {
	e := &Error{Kind: u.kind, pos: u.pos}
	if e.Kind == "" {
		e.Kind = Undefined
	}
	switch {
	case u.hint != "":
		e.Message = u.hint
	case !u.hasObj:
		e.Message = fmt.Sprintf("'%v' is undefined", u.name)
		if u.st != nil {
			e.Hint = diagnose.Nearest(fmt.Sprint(u.name), u.st.knownNames())
		}
	default:
		owner := value.TypeName(u.obj) + " object"
		if u.obj == nil {
			owner = "None"
		}
		name, isText := u.name.(string)
		if !isText {
			e.Message = fmt.Sprintf("%s has no element %s", owner, value.Repr(u.name))
			break
		}
		e.Message = fmt.Sprintf("'%s' has no attribute %s", owner, value.Repr(name))
		e.Hint = diagnose.Nearest(name, u.st.attributesOf(u.obj))
	}
	return e
}

// attributesOf lists what could have been meant by a wrong attribute of v.
func (st *state) attributesOf(v any) []string {
	var out []string
	if d, ok := v.(*value.Dict); ok {
		for k := range d.All() {
			if s, ok := k.(string); ok && len(out) < 200 {
				out = append(out, s)
			}
		}
		return out
	}
	if st == nil {
		return nil
	}
	for name := range st.env.methods.of(v) {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// isUndefined tells whether v is an undefined, and which.
func isUndefined(v any) (*undefined, bool) {
	u, ok := v.(*undefined)
	return u, ok
}

// defined gives an error when v is an undefined that must not be used this way:
// any strict one, and every one where lenient is false.
func defined(v any, lenientOK bool) error {
	if u, ok := v.(*undefined); ok && (u.strict || !lenientOK) {
		return u.err()
	}
	return nil
}

func (st *state) missing(name any, pos int) *undefined {
	return &undefined{name: name, strict: !st.lenient, st: st, pos: pos}
}

func (st *state) missingIn(obj, name any, pos int) *undefined {
	return &undefined{obj: obj, hasObj: true, name: name, strict: !st.lenient, st: st, pos: pos}
}
