package slack

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"petrel/adapters"
)

// Those who must wait are told different times, and at theirs it is their turn.
func TestPaceTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(Timing{EditEvery: 10 * time.Second, EditBurst: 2})
		for range 2 {
			if err := p.edit(); err != nil {
				t.Fatal(err)
			}
		}
		begun := time.Now()
		for i, want := range []time.Duration{10, 20, 30, 40, 50, 60, 60, 60} {
			var retry *adapters.RetryError
			if err := p.edit(); !errors.As(err, &retry) || retry.After != want*time.Second {
				t.Fatalf("edit %d: %v, want to come back after %d s", i, err, want)
			}
		}
		for i := range 6 {
			time.Sleep(time.Until(begun.Add(time.Duration(i+1) * 10 * time.Second)))
			if err := p.edit(); err != nil {
				t.Errorf("edit %d came when it was told to: %v", i, err)
			}
		}
		time.Sleep(time.Hour)
		for i := range 2 {
			if err := p.edit(); err != nil {
				t.Errorf("edit %d after an hour: %v", i, err)
			}
		}
	})
}
