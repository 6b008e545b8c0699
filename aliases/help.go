package aliases

import (
	"regexp"
	"slices"
	"strings"
)

// HelpLine is one line of a command listing.
type HelpLine struct {
	Alias       *Definition // shared, must not be changed
	Display     string
	Description string
}

// String is the line as people know it: `deploy {{ app }} - Deploy an application`.
func (l HelpLine) String() string {
	if l.Description == "" {
		return l.Display
	}
	return l.Display + " - " + l.Description
}

// Help lists the display texts of the enabled aliases whose line or ref the filter hits, sorted by pack and text. The filter is a regular
// expression without letter case, or plain text where it is not a valid one; empty lists all.
func (t *Table) Help(filter string) []HelpLine {
	filter = strings.TrimSpace(filter)
	wanted, err := regexp.Compile("(?i)" + filter)
	if err != nil {
		wanted = regexp.MustCompile("(?i)" + regexp.QuoteMeta(filter))
	}
	var lines []HelpLine
	for i := range t.definitions {
		d := &t.definitions[i]
		if !d.Enabled {
			continue
		}
		for _, spec := range d.Formats {
			line := HelpLine{Alias: d, Display: spec.Display, Description: d.Description}
			if spec.Display != "" && (wanted.MatchString(line.String()) || wanted.MatchString(d.Ref)) {
				lines = append(lines, line)
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b HelpLine) int {
		if c := strings.Compare(a.Alias.Pack, b.Alias.Pack); c != 0 {
			return c
		}
		return strings.Compare(a.Display, b.Display)
	})
	return lines
}
