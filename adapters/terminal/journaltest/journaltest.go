// Package journaltest is the contract of terminal.Journal as a test, for whoever
// keeps a room's messages.
package journaltest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

// Run holds a journal to its contract. open gives an empty one.
func Run(t *testing.T, open func(t *testing.T) terminal.Journal) {
	ctx := context.Background()
	at := func(n int) time.Time { return time.Date(2026, 3, 1, 12, 0, 0, n*1000, time.UTC) }
	entry := func(id, channel string, n int) terminal.Entry {
		return terminal.Entry{ID: id, Time: at(n), Channel: channel, From: adapters.User{ID: "ann", Name: "ann"}, Text: "said " + id}
	}
	append1 := func(t *testing.T, j terminal.Journal, e terminal.Entry, want bool) {
		t.Helper()
		if added, err := j.Append(ctx, e); err != nil || added != want {
			t.Fatalf("append %s: added %v, %v; want %v", e.ID, added, err, want)
		}
	}

	t.Run("KeepsEverything", func(t *testing.T) {
		j := open(t)
		e := entry("m1", "#ops", 1)
		e.Text, e.Thread, e.Private = "", "m0", "bob"
		e.Message = &adapters.Message{
			To: adapters.Target{Channel: "#ops", Thread: "m0", Private: "bob"}, Key: "k", InReplyTo: "m0", Mention: "bob", State: adapters.StateWorking,
			Blocks:  []adapters.Block{{Kind: adapters.Fields, Fields: []adapters.Field{{Name: "a", Value: "\x1b b"}}}},
			Buttons: []adapters.Button{{ID: "x", Label: "X", Style: "danger"}},
		}
		append1(t, j, e, true)
		got, err := j.Get(ctx, "m1")
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Fatalf("kept %+v, %v; want %+v", got, err, e)
		}
	})
	t.Run("KeepsFiles", func(t *testing.T) {
		j := open(t)
		for _, content := range []string{"first\x00\xff", "second"} {
			if err := j.KeepFile(ctx, "m1", "a b.txt", []byte(content)); err != nil {
				t.Fatal(err)
			}
			if got, err := j.File(ctx, "m1", "a b.txt"); err != nil || string(got) != content {
				t.Errorf("kept %q, %v; want %q", got, err, content)
			}
		}
		for _, other := range [][2]string{{"m1", "b.txt"}, {"m2", "a b.txt"}} {
			if _, err := j.File(ctx, other[0], other[1]); !errors.Is(err, terminal.ErrNoEntry) {
				t.Errorf("%v: %v, want ErrNoEntry", other, err)
			}
		}
	})
	t.Run("AppendsOnce", func(t *testing.T) {
		j := open(t)
		append1(t, j, entry("m1", "#ops", 1), true)
		again := entry("m1", "#ops", 2)
		again.Text = "something else"
		append1(t, j, again, false)
		if got, err := j.Get(ctx, "m1"); err != nil || got.Text != "said m1" || !got.Time.Equal(at(1)) {
			t.Errorf("the first entry became %+v, %v", got, err)
		}
		var wg sync.WaitGroup
		added := make(chan bool, 8)
		for range cap(added) {
			wg.Go(func() {
				ok, err := j.Append(ctx, entry("m2", "#ops", 3))
				if err != nil {
					t.Error(err)
				}
				added <- ok
			})
		}
		wg.Wait()
		close(added)
		n := 0
		for ok := range added {
			if ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("one entry was added %d times", n)
		}
	})
	t.Run("Replaces", func(t *testing.T) {
		j := open(t)
		append1(t, j, entry("m1", "#ops", 1), true)
		append1(t, j, entry("m2", "#ops", 2), true)
		e := entry("m1", "#ops", 1)
		e.Rev, e.Edited, e.Text = 1, at(9), "edited"
		for range 2 {
			if err := j.Replace(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
		all, err := j.Recent(ctx, "#ops", 10)
		if err != nil || len(all) != 2 || !reflect.DeepEqual(all[0], e) {
			t.Errorf("after an edit there is %+v, %v", all, err)
		}
		if err := j.Replace(ctx, entry("m3", "#ops", 3)); !errors.Is(err, terminal.ErrNoEntry) {
			t.Errorf("an entry that is not there is replaced: %v", err)
		}
		if _, err := j.Get(ctx, "m3"); !errors.Is(err, terminal.ErrNoEntry) {
			t.Errorf("an entry that is not there is found: %v", err)
		}
	})
	t.Run("Recent", func(t *testing.T) {
		j := open(t)
		for _, n := range []int{3, 1, 2, 5, 4} {
			append1(t, j, entry(fmt.Sprint("m", n), "#ops", n), true)
		}
		append1(t, j, entry("mb", "#ops", 6), true)
		append1(t, j, entry("ma", "#ops", 6), true)
		append1(t, j, entry("m7", "@ann", 7), true)
		for _, c := range []struct {
			channel string
			n       int
			want    string
		}{
			{"#ops", 3, "[m5 ma mb]"}, {"#ops", 100, "[m1 m2 m3 m4 m5 ma mb]"}, {"@ann", 3, "[m7]"}, {"#none", 3, "[]"}, {"#ops", 1, "[mb]"},
		} {
			all, err := j.Recent(ctx, c.channel, c.n)
			ids := []string{}
			for _, e := range all {
				ids = append(ids, e.ID)
			}
			if err != nil || fmt.Sprint(ids) != c.want {
				t.Errorf("the last %d of %s are %v, %v; want %s", c.n, c.channel, ids, err, c.want)
			}
		}
	})
	t.Run("EndedContext", func(t *testing.T) {
		j := open(t)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := j.Append(ended, entry("m1", "#ops", 1)); err == nil {
			t.Error("an append outlives its context")
		}
	})
}
