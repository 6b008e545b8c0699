package mattermost

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// dialect writes Mattermost's Markdown. Within code nothing is parsed and nobody
// is called, so code is left as it is.
var dialect = markup.Dialect{Escape: escape, Bold: [2]string{"**", "**"}, Link: link}

// apart breaks words up without being seen.
const apart = "\u200b"

var (
	address   = regexp.MustCompile(`https?://[^\s<>|"'` + "`" + `\\*\[\]]*[^\s<>|"'` + "`" + `\\*\[\].,;:!?()]`)
	lineStart = regexp.MustCompile(`(?m)^([ \t]*)(#|>|=+|-{2,}|\+ )?`)
	emoji     = regexp.MustCompile(`(^|[^\w:]):([A-Za-z+-][\w+-]+:)`)
	special   = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`, "[", `\[`, "]", `\]`, "|", `\|`)
)

// escape makes plain text show as it is and call nobody.
func escape(s string) string {
	var out strings.Builder
	last := 0
	for _, m := range address.FindAllStringIndex(s, -1) {
		out.WriteString(escapeWords(s[last:m[0]], last == 0))
		out.WriteString(quiet(s[m[0]:m[1]]))
		last = m[1]
	}
	out.WriteString(escapeWords(s[last:], last == 0))
	return out.String()
}

// quiet makes an address call nobody: a server finds mentions in it, too.
func quiet(url string) string { return strings.ReplaceAll(url, "@", "%40") }

func escapeWords(s string, begins bool) string {
	s = special.Replace(unping(s))
	s = emoji.ReplaceAllString(s, "${1}:"+apart+"$2")
	first := true
	return lineStart.ReplaceAllStringFunc(s, func(start string) string {
		if first && !begins {
			first = false
			return start
		}
		first = false
		mark := strings.TrimLeft(start, " \t")
		indent := strings.ReplaceAll(start[:len(start)-len(mark)], "\t", "    ")
		if len(indent) > 3 { // would be code
			indent = strings.Repeat("\u00a0", len(indent))
		}
		switch {
		case mark == "":
			return indent
		case mark == "#" || mark == ">":
			return indent + `\` + mark
		default:
			return indent + apart + mark
		}
	})
}

// unping breaks up what would call people. An @ within a word calls nobody.
func unping(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	var out strings.Builder
	before := ' '
	for _, r := range s {
		out.WriteRune(r)
		if r == '@' && !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			out.WriteString(apart)
		}
		before = r
	}
	return out.String()
}

var looksLikeHost = regexp.MustCompile(`(?i)^\s*(?:https?:|www\.|[\w-]+\.[a-z]{2,})`)

// link writes a link; a label that looks like an address of its own does not get
// to hide the real one.
func link(url, label string) string {
	url = quiet(url)
	switch {
	case label == "" || label == url:
		return url
	case looksLikeHost.MatchString(label):
		return escape(label) + " (" + url + ")"
	}
	return "[" + escape(label) + "](" + url + ")"
}

// blocks writes the pieces of a message one under the other.
func blocks(all []adapters.Block) string {
	var pieces []string
	for _, b := range all {
		switch b.Kind {
		case adapters.Preformatted:
			pieces = append(pieces, dialect.Output(b.Text))
		case adapters.Heading:
			if text := dialect.Plain(b.Text); text != "" {
				pieces = append(pieces, "**"+text+"**")
			}
		case adapters.Fields:
			for _, f := range b.Fields {
				pieces = append(pieces, "**"+dialect.Plain(f.Name)+":** "+escape(markup.Clean(f.Value)))
			}
		default:
			pieces = append(pieces, dialect.Render(b.Text))
		}
	}
	return strings.Join(pieces, "\n")
}

// plain writes the pieces as a file has them.
func plain(all []adapters.Block) string {
	var pieces []string
	for _, b := range all {
		if b.Kind == adapters.Fields {
			for _, f := range b.Fields {
				pieces = append(pieces, markup.Clean(f.Name+": "+f.Value))
			}
			continue
		}
		pieces = append(pieces, markup.Clean(b.Text))
	}
	return strings.Join(pieces, "\n")
}

// cut keeps the beginning and the end of a rendered text that is longer than
// limit characters. Fences that a cut goes through are closed and opened again.
func cut(s string, limit int, note string) (short string, whole bool) {
	if utf8.RuneCountInString(s) <= limit {
		return s, true
	}
	side := (limit - utf8.RuneCountInString(note) - 2*len(fence) - 2) / 2
	for ; side >= 40; side -= side / 4 {
		// Breaking up mentions may have made it longer.
		if short = headAndTail(s, side, note); utf8.RuneCountInString(short) <= limit {
			return short, false
		}
	}
	return markup.Shorten(unping(s), limit), false
}

const fence = "```\n"

// headAndTail keeps about side characters of each end. A cut may go through a
// line of code, in which an @ was left as it is, so the lines that were cut can
// call nobody either.
func headAndTail(s string, side int, note string) string {
	head := markup.Split(firstRunes(s, 2*side), side)[0]
	line := strings.LastIndexByte(head, '\n') + 1
	head = head[:line] + unping(head[line:])
	at := len(s)
	for range side {
		_, size := utf8.DecodeLastRuneInString(s[:at])
		at -= size
	}
	half := len(s) - (len(s)-at)/2
	if i := strings.IndexByte(s[at-1:half], '\n'); i >= 0 {
		at += i // behind the end of a line
	}
	for at < len(s) && (s[at] == '`' || s[at-1] == '\\') {
		at++ // never within the marks of a fence
	}
	tail := s[at:]
	if strings.Count(s[:at], "```")%2 == 1 {
		return head + "\n" + note + "\n" + fence + tail
	}
	first, rest, more := strings.Cut(tail, "\n")
	if tail = unping(first); more {
		tail += "\n" + rest
	}
	return head + "\n" + note + "\n" + tail
}

// firstRunes are the first n characters of a text.
func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
