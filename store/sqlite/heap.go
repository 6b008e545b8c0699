package sqlite

import "container/heap"

// pile is a priority queue whose elements know their place in it, so that one
// can be taken out of the middle.
type pile[T any] struct {
	items []T
	less  func(a, b T) bool
	place func(T, int)
}

func (p *pile[T]) Len() int           { return len(p.items) }
func (p *pile[T]) Less(i, j int) bool { return p.less(p.items[i], p.items[j]) }
func (p *pile[T]) Push(x any)         { p.items = append(p.items, x.(T)); p.place(x.(T), len(p.items)-1) }
func (p *pile[T]) Swap(i, j int) {
	p.items[i], p.items[j] = p.items[j], p.items[i]
	p.place(p.items[i], i)
	p.place(p.items[j], j)
}

func (p *pile[T]) Pop() any {
	last := len(p.items) - 1
	x := p.items[last]
	var zero T
	p.items[last] = zero
	p.items = p.items[:last]
	if last < cap(p.items)/4 && cap(p.items) > 1024 { // give a burst's memory back
		p.items = append(make([]T, 0, cap(p.items)/2), p.items...)
	}
	return x
}

func (p *pile[T]) add(x T)      { heap.Push(p, x) }
func (p *pile[T]) take(i int) T { return heap.Remove(p, i).(T) }
func (p *pile[T]) moved(i int)  { heap.Fix(p, i) }
func (p *pile[T]) top() T       { return p.items[0] }
