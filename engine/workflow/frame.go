package workflow

import (
	"petrel/engine/expression/value"
)

// frame is a context: what each variable holds. It does not hold the values but
// says which stored values are merged, in their order, to give the variable; so a
// step of the workflow copies numbers, and a value is loaded when it is used.
//
// Frame 0 is empty. The inputs and vars are not part of any frame, they are the
// base under all of them: a branch that never published a variable must not set
// it back where branches join.
type frame struct {
	Vars []binding `json:"vars"`
	at   map[string]int
}

// binding is one variable of a frame.
type binding struct {
	Name   string `json:"n"`
	Values []int  `json:"v"`           // merged from left to right
	Whole  bool   `json:"w,omitempty"` // replaces what stands to the left of the frame
	Map    bool   `json:"m,omitempty"` // the last value is a map
}

// maxMerged bounds the values of a binding; longer ones are merged for good.
const maxMerged = 16

func (f *frame) find(name string) (binding, bool) {
	if f == nil {
		return binding{}, false
	}
	if f.at == nil {
		f.at = make(map[string]int, len(f.Vars))
		for i, b := range f.Vars {
			f.at[b.Name] = i
		}
	}
	i, ok := f.at[name]
	if !ok {
		return binding{}, false
	}
	return f.Vars[i], true
}

func (f *frame) set(b binding) {
	if _, ok := f.find(b.Name); ok {
		f.Vars[f.at[b.Name]] = b
		return
	}
	f.at[b.Name] = len(f.Vars)
	f.Vars = append(f.Vars, b)
}

// merge lays one binding on another: maps are merged, all else is replaced.
func (b binding) merge(over binding) binding {
	if over.Whole {
		return over
	}
	if !b.Map {
		over.Whole = true
		return over
	}
	values := make([]int, 0, len(b.Values)+len(over.Values))
	values = append(append(values, b.Values...), over.Values...)
	return binding{b.Name, values, b.Whole, over.Map}
}

// over gives a new frame: f with another laid on it.
func (f *frame) over(top *frame) *frame {
	out := &frame{}
	if f != nil {
		out.Vars = append(make([]binding, 0, len(f.Vars)+4), f.Vars...)
	}
	out.lay(top)
	return out
}

// lay merges another frame into f.
func (f *frame) lay(top *frame) {
	for _, b := range top.bindings() {
		if under, ok := f.find(b.Name); ok {
			b = under.merge(b)
		}
		f.set(b)
	}
}

func (c *Conductor) frame(id int) *frame {
	if id == 0 {
		return nil
	}
	return get[frame](c.parts, keyFrame(id))
}

func (c *Conductor) addFrame(f *frame) int {
	c.head.Frames++
	c.parts.put(keyFrame(c.head.Frames), f)
	return c.head.Frames
}

// keep stores a value and gives the binding of a variable that holds it.
func (c *Conductor) keep(name string, v any) (binding, error) {
	s, err := newStored(v)
	if err != nil {
		return binding{}, err
	}
	id := c.head.Values
	c.head.Values++
	c.parts.put(keyValue(id), s)
	_, isMap := v.(*value.Dict)
	return binding{Name: name, Values: []int{id}, Whole: !isMap, Map: isMap}, nil
}

// publish lays new values on a frame and gives the number of the result.
func (c *Conductor) publish(under int, published []binding) int {
	f := c.frame(under).over(&frame{Vars: published})
	for i, b := range f.Vars {
		if len(b.Values) <= maxMerged {
			continue
		}
		merged, err := c.keep(b.Name, c.merged(b.Values))
		if err != nil {
			c.parts.fail(keyFrame(under), err)
			continue
		}
		merged.Whole = b.Whole
		f.Vars[i] = merged
	}
	return c.addFrame(f)
}

// merged gives the value that stored values make together. It must not be changed.
func (c *Conductor) merged(ids []int) any {
	var out any
	for i, id := range ids {
		s := get[stored](c.parts, keyValue(id))
		if s == nil {
			c.parts.fail(keyValue(id), errNoState)
			return nil
		}
		v, err := s.value()
		if err != nil {
			c.parts.fail(keyValue(id), err)
			return nil
		}
		if i == 0 {
			out = v
		} else {
			out = mergeValue(out, v)
		}
	}
	return out
}

// mergeValue merges maps at every level; anything else is replaced by the right
// one. Neither argument is changed.
func mergeValue(left, right any) any {
	l, ok := left.(*value.Dict)
	r, also := right.(*value.Dict)
	if !ok || !also {
		return right
	}
	out := l.Copy()
	for k, v := range r.All() {
		if under, ok := out.Get(k); ok {
			v = mergeValue(under, v)
		}
		_ = out.Set(k, v) // k was a key already
	}
	return out
}

// arrived gives the frame of a stage: those of all its arrivals, in their order.
func (c *Conductor) arrived(s *stage) *frame {
	f := c.frame(s.Frame)
	if s.Arrivals == 0 {
		return f
	}
	f = f.over(nil)
	for n := range s.Arrivals {
		if a := get[arrival](c.parts, keyArrival(s.ID, s.Route, n)); a != nil {
			f.lay(c.frame(a.Frame))
		}
	}
	return f
}

// settle makes one frame of the arrivals of a stage and gives its number, and
// where they came from.
func (c *Conductor) settle(s *stage) (int, map[string]int) {
	if s.Arrivals == 0 {
		return s.Frame, s.Prev
	}
	prev := make(map[string]int, len(s.Prev)+s.Arrivals)
	for k, v := range s.Prev {
		prev[k] = v
	}
	for n := range s.Arrivals {
		if a := get[arrival](c.parts, keyArrival(s.ID, s.Route, n)); a != nil {
			prev[a.From] = a.Entry
		}
	}
	return c.publish(0, c.arrived(s).bindings()), prev
}

func (f *frame) bindings() []binding {
	if f == nil {
		return nil
	}
	return f.Vars
}
