package storetest

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// testPoison: an item that kills whoever takes it is counted each time, even
// when the process dies in the very moment of the hand-out. Without that, nobody
// could ever put it aside.
func testPoison(t *testing.T, h Harness) {
	place := h.Place(t)
	b, err := h.Open(t.Context(), place)
	must(t, err)
	commit(t, b, push("poison", "x"))
	must(t, b.Close())
	self, err := os.Executable()
	must(t, err)
	const kills = 4
	for range kills {
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
		cmd.Env = append(os.Environ(), childAddress+"="+place, childTask+"=poison")
		out, err := cmd.CombinedOutput()
		if len(out) > 0 || err == nil {
			t.Fatalf("the victim survived (%v) and said %q", err, out)
		}
	}
	b, err = h.Open(t.Context(), place)
	must(t, err)
	defer func() { must(t, b.Close()) }()
	it := lease(t, b, "poison", 1, time.Minute)[0]
	equal(t, "deliveries", it.Deliveries, kills+1)
	ack(t, b, it)
}
