package discord

import (
	"regexp"
	"strings"

	"petrel/adapters/markup"
)

// plainDialect is Discord's Markdown. Links keep their address visible: a label
// may come from elsewhere.
var plainDialect = markup.Dialect{Escape: escape, Bold: [2]string{"**", "**"}}

var (
	address    = regexp.MustCompile(`https?://[^\s<>|"'` + "`" + `]+`)
	lineStart  = regexp.MustCompile(`(?m)^([ \t]*)(#{1,3}|-#|>{1,3}|[-+])([ \t])`)
	numberList = regexp.MustCompile(`(?m)^([ \t]*\d+)\.([ \t])`)
	everybody  = regexp.MustCompile(`@(everyone|here)`)
	marks      = strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "~", `\~`, "`", "\\`", "|", `\|`, "[", `\[`, "]", `\]`, "<", `\<`)
)

// escape makes text show as it is. Addresses are left alone: Discord finds them
// by itself and would show the backslashes.
func escape(s string) string {
	var out strings.Builder
	for {
		at := address.FindStringIndex(s)
		if at == nil {
			out.WriteString(escapeWords(s))
			return out.String()
		}
		out.WriteString(escapeWords(s[:at[0]]))
		out.WriteString(everybody.ReplaceAllString(s[at[0]:at[1]], "@\u200b$1"))
		s = s[at[1]:]
	}
}

func escapeWords(s string) string {
	s = marks.Replace(s)
	s = lineStart.ReplaceAllString(s, `$1\$2$3`)
	s = numberList.ReplaceAllString(s, `$1\.$2`)
	return everybody.ReplaceAllString(s, "@\u200b$1")
}

// short cuts a rendered text to a limit without breaking a fence.
func short(s string, limit int) string {
	return markup.Split(s, limit)[0]
}
