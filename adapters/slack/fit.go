package slack

import (
	"slices"
	"unicode/utf8"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// leastShown is what is left at least of a text that is too long.
const leastShown = 500

// fit cuts long texts down to their beginnings and ends until all blocks have at
// most budget characters. whole is everything as a file then.
func fit(blocks []adapters.Block, budget int) (fitting []adapters.Block, whole *adapters.File) {
	total := 0
	for _, b := range blocks {
		total += blockSize(b)
	}
	if total <= budget {
		return blocks, nil
	}
	whole = &adapters.File{Name: "output.txt", Title: "The whole text", Content: []byte(plainText(blocks) + "\n")}
	fitting = slices.Clone(blocks)
	for total > budget {
		longest := 0
		for i := range fitting {
			if blockSize(fitting[i]) > blockSize(fitting[longest]) {
				longest = i
			}
		}
		before := blockSize(fitting[longest])
		fitting[longest] = shrink(fitting[longest], max(before-(total-budget), leastShown))
		after := blockSize(fitting[longest])
		if after >= before {
			return firsts(fitting, budget), whole
		}
		total += after - before
	}
	return fitting, whole
}

// firsts keeps the blocks that fit and says that there are more.
func firsts(blocks []adapters.Block, budget int) []adapters.Block {
	const more = "[... the rest is left out ...]"
	budget -= len(more)
	for i, b := range blocks {
		if budget -= blockSize(b); budget < 0 {
			return append(blocks[:i:i], adapters.Block{Kind: adapters.Paragraph, Text: more})
		}
	}
	return blocks
}

func blockSize(b adapters.Block) int {
	n := utf8.RuneCountInString(b.Text)
	for _, f := range b.Fields {
		n += utf8.RuneCountInString(f.Name) + utf8.RuneCountInString(f.Value) + 3
	}
	return n
}

// shrink cuts a block down to about limit characters.
func shrink(b adapters.Block, limit int) adapters.Block {
	switch b.Kind {
	case adapters.Fields:
		each := max(limit/max(len(b.Fields), 1), 40)
		b.Fields = slices.Clone(b.Fields)
		for i, f := range b.Fields {
			f.Name = markup.Shorten(f.Name, each/2)
			f.Value, _ = markup.HeadTail(f.Value, max(each-utf8.RuneCountInString(f.Name)-3, each/2))
			b.Fields[i] = f
		}
	case adapters.Heading:
		b.Text = markup.Shorten(b.Text, limit)
	case adapters.Preformatted:
		b.Text, _ = markup.HeadTail(markup.Clean(b.Text), limit)
	default:
		b.Text, _ = markup.HeadTailMarkup(markup.Clean(b.Text), limit)
	}
	return b
}
