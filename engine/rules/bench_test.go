package rules

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkIndex tests one event against n rules on 100 triggers, with the kinds of criteria that packs have; one rule of each trigger matches.
func BenchmarkIndex(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var list []*Rule
			for i := range n {
				repository := i / 100
				list = append(list, mustCompile(b, Definition{Ref: fmt.Sprintf("p.r%d", i), Enabled: true, Trigger: fmt.Sprintf("p.t%d", i%100),
					Criteria: fmt.Appendf(nil, `{"trigger.headers_lower['x-github-event']": {"type": "equals", "pattern": "push"},
						"trigger.body.ref": {"type": "regex", "pattern": "^refs/heads/(main|release-.*)$"},
						"trigger.body.repository.name": {"type": "iequals", "pattern": "Repository-%d"},
						"trigger.body.commits": {"type": "search", "condition": "any", "pattern": {"item.author": {"type": "startswith", "pattern": "j"}}}}`, repository)}))
			}
			x := NewIndex(list)
			event := Event{Payload: parse(b, []byte(`{"headers_lower": {"x-github-event": "push"}, "body": {"ref": "refs/heads/release-1.2",
				"repository": {"name": "repository-0"}, "commits": [{"author": "ann"}, {"author": "joe"}]}}`))}
			b.ReportAllocs()
			for b.Loop() {
				out, err := x.Match(context.Background(), "p.t7", event)
				if err != nil || len(out.Matched) != 1 {
					b.Fatal(out, err)
				}
			}
		})
	}
}
