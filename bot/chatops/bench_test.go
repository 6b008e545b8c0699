package chatops

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"petrel/adapters"
)

// BenchmarkHandle is what a platform waits for: a command among 10,000 aliases,
// until it is on record.
func BenchmarkHandle(b *testing.B) {
	r := newTalk(b, everything)
	var lines strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&lines, `{"name":"a%d","formats":["pack%d verb%d {{ target }}"],"action_ref":"p.noop"}`+"\n", i, i%100, i/100)
	}
	r.define(lines.String())
	for b.Loop() {
		e := r.event(adapters.Event{Kind: adapters.MessagePosted, Text: "!pack42 verb17 web", Message: fmt.Sprint(r.deliver)})
		if a, err := r.chat.Handle(context.Background(), e); err != nil || a.Disposition != adapters.Accepted {
			b.Fatal(a, err)
		}
	}
}
