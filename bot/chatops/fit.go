package chatops

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// room is how much of a platform's limit the texts of a message take: escaping
// them makes them longer, and there are marks and buttons beside them.
const room = 0.75

// leastText is what a block keeps at least when a message is too long.
const leastText = 400

// fit makes a message fit a platform: of a text that is too long the beginning
// and the end stay, and all of it is sent as a file where the platform has files.
// What is left is within the limit, so that no adapter has to cut it in pieces.
func fit(m adapters.Message, can adapters.Capabilities) adapters.Message {
	limit := int(float64(can.MaxText) * room)
	over := length(m.Blocks) - limit
	if can.MaxText <= 0 || over <= 0 {
		return m
	}
	m.Blocks = append([]adapters.Block(nil), m.Blocks...)
	var whole strings.Builder
	for over > 0 {
		i := longest(m.Blocks)
		b := &m.Blocks[i]
		before := utf8.RuneCountInString(b.Text)
		keep := max(before-over, leastText)
		if keep >= before {
			break // many short blocks: the adapter splits between them
		}
		if whole.Len() > 0 {
			whole.WriteString("\n\n")
		}
		whole.WriteString(b.Text)
		if b.Kind == adapters.Preformatted {
			b.Text, _ = markup.HeadTail(b.Text, keep)
		} else {
			b.Text, _ = markup.HeadTailMarkup(b.Text, keep)
		}
		over -= before - utf8.RuneCountInString(b.Text)
	}
	if whole.Len() > 0 {
		m = withWhole(m, whole.String(), can)
	}
	return m
}

// withWhole adds the whole text as a file, or says that it is not to be had.
func withWhole(m adapters.Message, text string, can adapters.Capabilities) adapters.Message {
	if !can.Files || m.To.Private != "" { // where a file goes, others may see it
		m.Blocks = append(m.Blocks, paragraph("(The text is too long to be shown here.)"))
		return m
	}
	content := []byte(text)
	if can.MaxFile > 0 && len(content) > can.MaxFile {
		cut, _ := markup.HeadTail(strings.ToValidUTF8(text, "\ufffd"), can.MaxFile/utf8.UTFMax)
		content = []byte(cut)
	}
	name := "output.txt"
	for n := 2; hasFile(m.Files, name); n++ {
		name = fmt.Sprintf("output-%d.txt", n)
	}
	m.Files = append(append([]adapters.File(nil), m.Files...), adapters.File{Name: name, Title: "The whole output", Content: content})
	return m
}

func hasFile(files []adapters.File, name string) bool {
	for _, f := range files {
		if f.Name == name {
			return true
		}
	}
	return false
}

// length is how many characters the blocks have.
func length(blocks []adapters.Block) int {
	n := 0
	for _, b := range blocks {
		n += utf8.RuneCountInString(b.Text) + 1
		for _, f := range b.Fields {
			n += utf8.RuneCountInString(f.Name) + utf8.RuneCountInString(f.Value) + 3
		}
	}
	return n
}

func longest(blocks []adapters.Block) int {
	at, most := 0, -1
	for i, b := range blocks {
		if n := utf8.RuneCountInString(b.Text); n > most {
			at, most = i, n
		}
	}
	return at
}
