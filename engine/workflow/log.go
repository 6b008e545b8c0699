package workflow

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// log adds an error entry unless an equal one is there. Entries are found by a
// hash of what they say, so that adding one costs the same however many there are.
func (c *Conductor) log(e *Entry) {
	key := e.key()
	same := get[[]int](c.parts, key)
	var known []int
	if same != nil {
		known = *same
	}
	for _, i := range known {
		if old := get[Entry](c.parts, keyError(i)); old != nil && old.equal(e) {
			return
		}
	}
	known = append(known[:len(known):len(known)], c.head.Errors)
	c.parts.put(key, &known)
	c.parts.put(keyError(c.head.Errors), e)
	c.head.Errors++
	c.touch()
}

func (e *Entry) key() string {
	h := sha256.New()
	route := ""
	if e.Route != nil {
		route = strconv.Itoa(*e.Route)
	}
	for _, s := range []string{e.Message, e.TaskID, route, e.TaskTransitionID} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	h.Write(e.Result)
	return "same/" + hex.EncodeToString(h.Sum(nil)[:12])
}

// forget takes the error entries of a task away.
func (c *Conductor) forget(task string) {
	for i := range c.head.Errors {
		if e := get[Entry](c.parts, keyError(i)); e != nil && e.TaskID == task {
			c.parts.drop(keyError(i))
			c.parts.drop(e.key())
		}
	}
}
