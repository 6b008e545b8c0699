package slack

import (
	"fmt"
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	m := newMemory[int](3, time.Hour)
	for i := range 5 {
		m.put(fmt.Sprint(i), i)
	}
	for i := range 5 {
		if _, known := m.get(fmt.Sprint(i)); known != (i >= 2) {
			t.Errorf("%d is known: %v", i, known)
		}
	}
	if n := m.change("4", func(old int, known bool) int {
		if !known {
			t.Error("4 is not known")
		}
		return old + 1
	}); n != 5 {
		t.Errorf("changed to %d", n)
	}
	m.forget("4")
	if _, known := m.get("4"); known {
		t.Error("4 is not forgotten")
	}
	short := newMemory[int](3, -time.Second)
	short.put("a", 1)
	if _, known := short.get("a"); known {
		t.Error("what is over is remembered")
	}
}

// What was learnt long ago is better than nothing.
func TestBook(t *testing.T) {
	b := newBook[string](0)
	b.put("ann", "U1", "@ann", "")
	if _, ok := b.get("U1"); ok {
		t.Error("old knowledge counts as fresh")
	}
	if who, ok := b.old("@ann"); !ok || who != "ann" {
		t.Errorf("%q, %v", who, ok)
	}
	if _, ok := b.old(""); ok {
		t.Error("nobody has a name")
	}
}

// Jobs of one lane come one after the other, sorted while they wait.
func TestLanes(t *testing.T) {
	l := newLanes()
	begun, goOn := make(chan struct{}), make(chan struct{})
	var done []string
	l.add("a", "1", func() { close(begun); <-goOn; done = append(done, "1") })
	<-begun
	for _, order := range []string{"4", "2", "", "3"} {
		l.add("a", order, func() { done = append(done, order) })
	}
	elsewhere := make(chan struct{})
	l.add("b", "", func() { close(elsewhere) })
	<-elsewhere
	close(goOn)
	l.end()
	if got := fmt.Sprint(done); got != "[1 2 4  3]" {
		t.Errorf("done in the order %v", got)
	}
	if l.add("a", "", func() {}) {
		t.Error("a job is taken after the end")
	}
}
