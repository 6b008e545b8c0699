package aliases

import (
	"fmt"
	"testing"
)

// manyAliases makes n aliases as a large deployment has them: a hundred packs, each with some verbs, patterns with and without placeholders,
// and one in fifty that may begin anywhere.
func manyAliases(n int) []Definition {
	defs := make([]Definition, 0, n)
	for i := range n {
		pack, verb := i%100, i/100
		format := fmt.Sprintf("pack%d verb%d {{target}} on {{host=localhost}}", pack, verb)
		switch i % 50 {
		case 7:
			format = fmt.Sprintf("(pack%d|p%d) verb%d( {{target}})?", pack, pack, verb)
		case 13:
			format = fmt.Sprintf("{{who}} wants verb%d of pack%d", verb, pack)
		}
		defs = append(defs, alias(fmt.Sprintf("alias%d", i), format))
	}
	return defs
}

// sameBeginning makes n aliases that only their last word tells apart: the worst case for an index by first words.
func sameBeginning(n int) []Definition {
	defs := make([]Definition, 0, n)
	for i := range n {
		defs = append(defs, alias(fmt.Sprintf("alias%d", i), fmt.Sprintf("deploy {{app}} to region%05d", i)))
	}
	return defs
}

func BenchmarkTableMatch10000(b *testing.B) {
	for _, bench := range []struct {
		name, message string
		defs          []Definition
		want          int
	}{
		{"hit", "pack42 verb17 web1 on host9 debug=true", manyAliases(10_000), 1},
		{"miss", "what is the weather like today, dear bot, and will it rain on monday?", manyAliases(10_000), 0},
		{"loose", "bob wants verb3 of pack13", manyAliases(10_000), 1},
		{"same-beginning", "deploy shop to region04711", sameBeginning(10_000), 1},
	} {
		b.Run(bench.name, func(b *testing.B) {
			table := mustTable(b, bench.defs...)
			b.ReportAllocs()
			for b.Loop() {
				matches, err := table.Match(bench.message)
				if err != nil || len(matches) != bench.want {
					b.Fatalf("%d matches, %v", len(matches), err)
				}
			}
		})
	}
}

func BenchmarkTableSuggest10000(b *testing.B) {
	table := mustTable(b, manyAliases(10_000)...)
	for b.Loop() {
		if list := table.Suggest("pakc42 verb17 web1", 3); len(list) != 3 {
			b.Fatal(list)
		}
	}
}

func BenchmarkNewTable10000(b *testing.B) {
	defs := manyAliases(10_000)
	for b.Loop() {
		mustTable(b, defs...)
	}
}
