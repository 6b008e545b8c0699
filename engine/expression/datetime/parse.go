package datetime

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxText bounds the text that Parse reads, in bytes.
const maxText = 200

// Parse reads a date or time in any of the usual spellings, as dateutil's parser does
// by default: month before day where both are possible, what is not given taken from
// the day of now (at midnight), UTC where no zone is named.
func Parse(text string, now time.Time) (time.Time, error) {
	p := reader{fields: noFields(), month: -1}
	if len(text) > maxText || !p.read(strings.TrimSpace(text)) {
		return time.Time{}, fmt.Errorf("%q is not a date or time (2024-05-06T07:08:09Z would be)", cut(text))
	}
	if err := p.resolve(now.Year()); err != nil {
		return time.Time{}, fmt.Errorf("%q: %w", cut(text), err)
	}
	t, err := p.fields.time(now)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: %w", cut(text), err)
	}
	return t, nil
}

func cut(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:57]) + "..."
	}
	return s
}

// part is a number of the date as it was written.
type part struct {
	n    int
	long bool // more than two digits: certainly a year
}

// reader collects the parts of a date in the order they come.
type reader struct {
	fields fields
	parts  []part
	month  int // index in parts of a month given by name, -1
}

func (p *reader) read(s string) bool {
	for s != "" {
		rest, ok := p.next(s)
		if !ok {
			return false
		}
		s = strings.TrimLeft(rest, " ,;\t\n/.")
	}
	return len(p.parts) > 0 || p.fields.hour >= 0
}

func (p *reader) next(s string) (rest string, ok bool) {
	switch c := s[0]; {
	case c >= '0' && c <= '9':
		return p.number(s)
	case c == '+' || c == '-':
		if p.fields.hour < 0 || p.fields.zone != nil {
			return s[1:], c == '-' && len(p.parts) > 0 // 2015-8-29
		}
		n := span(s[1:], "0123456789:")
		p.fields.zone, ok = offset(s[:n+1])
		return s[n+1:], ok
	case c == '(':
		end := strings.IndexByte(s, ')')
		return s[end+1:], end > 0 // a comment after the zone
	}
	n := 0
	for n < len(s) && (s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 0x80) {
		n++
	}
	return s[n:], n > 0 && p.word(s[:n])
}

func span(s, chars string) int {
	return len(s) - len(strings.TrimLeft(s, chars))
}

func (p *reader) word(w string) bool {
	if m := nameIndex(w, months); m >= 0 && p.month < 0 {
		p.month = len(p.parts)
		p.parts = append(p.parts, part{n: m + 1})
		return true
	}
	if nameIndex(w, weekdays) >= 0 {
		return true
	}
	switch strings.ToLower(w) {
	case "am", "a":
		p.fields.pm = 1
		return p.fields.hour >= 0
	case "pm", "p":
		p.fields.pm = 2
		return p.fields.hour >= 0
	case "utc", "gmt", "z":
		p.fields.zone = time.UTC
		return true
	case "t", "st", "nd", "rd", "th", "of", "and", "at", "on", "ad":
		return true
	}
	return false
}

func (p *reader) number(s string) (rest string, ok bool) {
	n := span(s, "0123456789")
	digits := s[:n]
	rest = s[n:]
	unit := strings.ToLower(strings.TrimLeft(rest, " "))
	switch {
	case strings.HasPrefix(rest, ":") && n <= 2:
		return p.clock(s)
	case strings.HasPrefix(unit, "am") || strings.HasPrefix(unit, "pm"):
		if p.fields.hour < 0 && n <= 2 {
			p.fields.hour, _ = strconv.Atoi(digits)
			return rest, true
		}
	case n >= 12 || n == 8 || n == 6 && len(p.parts) == 0:
		return p.compact(digits, rest)
	case (n == 4 || n == 6) && len(p.parts) == 3 && p.fields.hour < 0: // T0708
		return p.compactTime(digits, rest)
	}
	v, err := strconv.Atoi(digits)
	if err != nil || len(p.parts) >= 3 || n > 4 {
		return s, false
	}
	p.parts = append(p.parts, part{n: v, long: n > 2})
	if len(rest) > 1 && rest[0] == '-' { // a separator, not a zone
		rest = rest[1:]
	}
	return rest, true
}

// clock reads H:MM, H:MM:SS and H:MM:SS.fraction.
func (p *reader) clock(s string) (rest string, ok bool) {
	for i, field := range []*int{&p.fields.hour, &p.fields.minute, &p.fields.second} {
		n := span(s, "0123456789")
		if n == 0 || n > 2 || *field >= 0 {
			return s, false
		}
		*field, _ = strconv.Atoi(s[:n])
		s = s[n:]
		if i == 2 || !strings.HasPrefix(s, ":") {
			break
		}
		s = s[1:]
	}
	return p.fractionOf(s), true
}

// fractionOf reads .123 or ,123 behind seconds.
func (p *reader) fractionOf(s string) string {
	if p.fields.second >= 0 && len(s) > 1 && (s[0] == '.' || s[0] == ',') {
		if n := span(s[1:], "0123456789"); n > 0 {
			p.fields.ns = fraction(s[1 : n+1])
			return s[n+1:]
		}
	}
	return s
}

// compact reads YYMMDD, YYYYMMDD, YYYYMMDDhhmm and YYYYMMDDhhmmss.
func (p *reader) compact(digits, rest string) (string, bool) {
	if len(p.parts) > 0 || len(digits) > 14 || len(digits)%2 != 0 {
		return rest, false
	}
	year := 4
	if len(digits) == 6 {
		year = 2
	}
	for _, at := range [][2]int{{0, year}, {year, year + 2}, {year + 2, year + 4}} {
		n, _ := strconv.Atoi(digits[at[0]:at[1]])
		p.parts = append(p.parts, part{n: n, long: at[1]-at[0] > 2 || at[0] == 0 && n > 31})
	}
	if len(digits) > 8 {
		return p.compactTime(digits[8:], rest)
	}
	return rest, true
}

func (p *reader) compactTime(digits, rest string) (string, bool) {
	for i, field := range []*int{&p.fields.hour, &p.fields.minute, &p.fields.second} {
		if len(digits) >= 2*i+2 {
			*field, _ = strconv.Atoi(digits[2*i : 2*i+2])
		}
	}
	return p.fractionOf(rest), true
}

// resolve decides which number is the year, the month and the day.
func (p *reader) resolve(thisYear int) error {
	f, parts := &p.fields, p.parts
	year := func(x part) {
		f.year = x.n
		if !x.long { // the century nearest to now
			f.year += thisYear / 100 * 100
			if f.year >= thisYear+50 {
				f.year -= 100
			} else if f.year < thisYear-50 {
				f.year += 100
			}
		}
	}
	isYear := func(i int) bool { return parts[i].long || parts[i].n > 31 }
	set := func(order string) {
		for i, c := range order {
			switch c {
			case 'y':
				year(parts[i])
			case 'm':
				f.month = parts[i].n
			case 'd':
				f.day = parts[i].n
			}
		}
	}
	choose := func(cond bool, a, b string) {
		if cond {
			set(a)
		} else {
			set(b)
		}
	}
	switch key := 10*len(parts) + p.month; key {
	case 0 - 1:
	case 10:
		set("m")
	case 10 - 1:
		choose(isYear(0), "y", "d")
	case 20:
		choose(isYear(1), "my", "md")
	case 21:
		choose(isYear(0), "ym", "dm")
	case 20 - 1:
		switch {
		case isYear(0):
			set("ym")
		case isYear(1):
			set("my")
		default:
			choose(parts[0].n > 12, "dm", "md")
		}
	case 30:
		choose(isYear(1), "myd", "mdy")
	case 31:
		choose(isYear(0), "ymd", "dmy")
	case 32:
		choose(isYear(1), "dym", "ydm")
	case 30 - 1:
		switch {
		case isYear(0):
			set("ymd")
		default:
			choose(parts[0].n > 12, "dmy", "mdy")
		}
	default:
		return fmt.Errorf("too many numbers for a date")
	}
	return nil
}
