package discord_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	fake "petrel/tests/fakes/discord"
)

// Three seconds of a hundred commands each: all are acknowledged in time, heard
// once and answered once.
func TestManyCommands(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.a.SetCommands(petrel())
	const n = 300
	var people sync.WaitGroup
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for i := range n {
		<-tick.C
		people.Go(func() {
			p := d.s.Person(fmt.Sprint("person", i%50))
			if err := p.Call(d.ctx, fmt.Sprintf("#c%d", i%20), "petrel", map[string]any{"text": fmt.Sprint("run ", i)}); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
		people.Go(func() {
			e := d.hear(i + 1)
			ref := d.post(adapters.Message{To: adapters.Target{Channel: e.Channel.ID, Reply: e.Reply}, Key: e.DeliveryID, Blocks: paragraph("done with " + e.Text)})
			if ref.Message == "" {
				t.Errorf("%s has no answer", e.Text)
			}
		})
	}
	people.Wait()
	var took []time.Duration
	for _, a := range d.s.Acks() {
		if a.Late {
			t.Errorf("an acknowledgement came after %s", a.Took)
		}
		took = append(took, a.Took)
	}
	if len(took) != n {
		t.Fatalf("%d of %d commands were acknowledged", len(took), n)
	}
	slices.Sort(took)
	t.Logf("acknowledged after: median %s, 99%% %s, most %s", took[n/2], took[n*99/100], took[n-1])
	answered := 0
	for i := range 20 {
		answered += d.count(fmt.Sprintf("#c%d", i), "done with")
	}
	if answered != n {
		t.Errorf("%d answers to %d commands", answered, n)
	}
}
