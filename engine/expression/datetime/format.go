package datetime

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"petrel/engine/expression/value"
)

// maxFormatted bounds what Format writes, in bytes.
const maxFormatted = 64 << 10

// Format is strftime in the C locale, with the GNU flag %-d for numbers without padding.
// Unknown directives stay as they are.
func Format(t time.Time, format string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		bare := format[i] == '-' && i+1 < len(format)
		if bare {
			i++
		}
		s, ok := directive(t, format[i])
		switch {
		case !ok && bare:
			s = "%-" + string(format[i])
		case !ok:
			s = "%" + string(format[i])
		case bare:
			if s = strings.TrimLeft(s, "0 "); s == "" {
				s = "0"
			}
		}
		b.WriteString(s)
		if b.Len() > maxFormatted {
			return "", fmt.Errorf("the formatted time is longer than %d KiB", maxFormatted>>10)
		}
	}
	return b.String(), nil
}

var composite = map[byte]string{
	'c': "%a %b %e %H:%M:%S %Y", 'x': "%m/%d/%y", 'X': "%H:%M:%S", 'D': "%m/%d/%y", 'F': "%Y-%m-%d", 'T': "%H:%M:%S", 'R': "%H:%M", 'r': "%I:%M:%S %p",
}

func directive(t time.Time, c byte) (string, bool) {
	two := func(n int) (string, bool) { return fmt.Sprintf("%02d", n), true }
	hour12 := (t.Hour()+11)%12 + 1
	if format, ok := composite[c]; ok {
		s, err := Format(t, format)
		return s, err == nil
	}
	isoYear, isoWeek := t.ISOWeek()
	switch c {
	case 'a':
		return t.Weekday().String()[:3], true
	case 'A':
		return t.Weekday().String(), true
	case 'b', 'h':
		return t.Month().String()[:3], true
	case 'B':
		return t.Month().String(), true
	case 'C':
		return two(t.Year() / 100)
	case 'd':
		return two(t.Day())
	case 'e':
		return fmt.Sprintf("%2d", t.Day()), true
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000), true
	case 'G':
		return strconv.Itoa(isoYear), true
	case 'H':
		return two(t.Hour())
	case 'I':
		return two(hour12)
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay()), true
	case 'k':
		return fmt.Sprintf("%2d", t.Hour()), true
	case 'l':
		return fmt.Sprintf("%2d", hour12), true
	case 'm':
		return two(int(t.Month()))
	case 'M':
		return two(t.Minute())
	case 'n':
		return "\n", true
	case 'p':
		return t.Format("PM"), true
	case 'P':
		return t.Format("pm"), true
	case 's':
		return strconv.FormatInt(t.Unix(), 10), true
	case 'S':
		return two(t.Second())
	case 't':
		return "\t", true
	case 'u':
		return strconv.Itoa(int(t.Weekday()+6)%7 + 1), true
	case 'U':
		return two((t.YearDay() + 6 - int(t.Weekday())) / 7)
	case 'V':
		return two(isoWeek)
	case 'w':
		return strconv.Itoa(int(t.Weekday())), true
	case 'W':
		return two((t.YearDay() + 6 - int(t.Weekday()+6)%7) / 7)
	case 'y':
		return two(t.Year() % 100)
	case 'Y':
		return strconv.Itoa(t.Year()), true
	case 'z':
		if t.Location() == value.Naive {
			return "", true
		}
		return t.Format("-0700"), true
	case 'Z':
		if t.Location() == value.Naive {
			return "", true
		}
		return zoneName(t), true
	case '%':
		return "%", true
	}
	return "", false
}

func zoneName(t time.Time) string {
	name, off := t.Zone()
	if name == "" {
		if off == 0 {
			return "UTC"
		}
		return "UTC" + t.Format("-07:00")
	}
	return name
}

// ParseFormat is strptime in the C locale. Without %z the result is in UTC and zoned
// is false; what the format does not name is as on 1 January 1900.
func ParseFormat(text, format string) (t time.Time, zoned bool, err error) {
	f := noFields()
	f.year, f.month, f.day = 1900, 1, 1
	s, yearDay := text, 0
	for i := 0; i < len(format); i++ {
		c := format[i]
		ok := true
		switch {
		case c == ' ' || c == '\t' || c == '\n':
			ok = s != "" && strings.TrimLeft(s, " \t\r\n") != s
			s = strings.TrimLeft(s, " \t\r\n")
		case c == '%' && i+1 < len(format):
			i++
			s, ok = f.directive(s, format[i], &yearDay)
		default:
			ok = s != "" && s[0] == c
			s = s[min(1, len(s)):]
		}
		if !ok {
			return t, false, fmt.Errorf("time data %q does not match format %q", cut(text), cut(format))
		}
	}
	if s != "" {
		return t, false, fmt.Errorf("unconverted data remains: %s", cut(s))
	}
	if f.pm > 0 && f.hour < 0 {
		f.pm = 0
	}
	if t, err = f.time(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		return t, false, err
	}
	if yearDay > 0 {
		t = time.Date(t.Year(), 1, yearDay, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
	}
	return t, f.zone != nil, nil
}

// directive reads one directive from the front of s.
func (f *fields) directive(s string, c byte, yearDay *int) (rest string, ok bool) {
	digits := func(field *int, low, high, width int) (string, bool) {
		n := min(span(s, "0123456789"), width)
		v, err := strconv.Atoi(s[:n])
		if err != nil || v < low || v > high {
			return s, false
		}
		*field = v
		return s[n:], true
	}
	switch c {
	case 'Y':
		if span(s, "0123456789") < 4 {
			return s, false
		}
		return digits(&f.year, 1, 9999, 4)
	case 'y':
		rest, ok = digits(&f.year, 0, 99, 2)
		if f.year += 1900; f.year < 1969 {
			f.year += 100
		}
		return rest, ok
	case 'm':
		return digits(&f.month, 1, 12, 2)
	case 'd', 'e':
		return digits(&f.day, 1, 31, 2)
	case 'H':
		return digits(&f.hour, 0, 23, 2)
	case 'I':
		if f.pm == 0 {
			f.pm = 1
		}
		return digits(&f.hour, 1, 12, 2)
	case 'M':
		return digits(&f.minute, 0, 59, 2)
	case 'S':
		return digits(&f.second, 0, 61, 2)
	case 'j':
		return digits(yearDay, 1, 366, 3)
	case 'f':
		n := min(span(s, "0123456789"), 6)
		f.ns = fraction(s[:n])
		return s[n:], n > 0
	case '%':
		return strings.CutPrefix(s, "%")
	case 'p':
		return f.name(s, []string{"am", "pm"}, func(i int) { f.pm = i + 1 })
	case 'B', 'b', 'h':
		return f.name(s, months, func(i int) { f.month = i + 1 })
	case 'A', 'a':
		return f.name(s, weekdays, func(int) {})
	case 'Z':
		return f.name(s, []string{"utc", "gmt"}, func(int) {})
	case 'z':
		n := 1
		if s != "" && s[0] != 'Z' && s[0] != 'z' {
			n = min(len(s), 1) + span(s[min(len(s), 1):], "0123456789:")
		}
		if n > len(s) {
			return s, false
		}
		f.zone, ok = offset(s[:n])
		return s[n:], ok
	}
	return s, false
}

// name reads the longest of some names, or its first three letters.
func (f *fields) name(s string, list []string, set func(int)) (rest string, ok bool) {
	low := strings.ToLower(s)
	for _, short := range []bool{false, true} {
		for i, n := range list {
			if short && len(n) > 3 {
				n = n[:3]
			}
			if strings.HasPrefix(low, n) && len(low) == len(s) {
				set(i)
				return s[len(n):], true
			}
		}
	}
	return s, false
}
