// Package datetime reads and writes dates and times as Python programs do: free-form
// text as dateutil reads it, strptime and strftime. It knows no expressions.
package datetime

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	months   = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
	weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
)

// RoundEven rounds half to even; what does not fit an int64 gives 0.
func RoundEven(f float64) int64 {
	r := math.RoundToEven(f)
	if r != r || r >= math.MaxInt64 || r <= math.MinInt64 {
		return 0
	}
	return int64(r)
}

// nameIndex finds a name or its three-letter form in a list, -1 when it is none of them.
func nameIndex(word string, list []string) int {
	word = strings.ToLower(word)
	for i, n := range list {
		if word == n || word == n[:3] || n == "september" && word == "sept" {
			return i
		}
	}
	return -1
}

// fields are the parts of a point in time; a negative one was not given.
type fields struct {
	year, month, day         int
	hour, minute, second, ns int
	zone                     *time.Location // nil: not given
	pm                       int            // 0: not given, 1: am, 2: pm
}

func noFields() fields {
	return fields{year: -1, month: -1, day: -1, hour: -1, minute: -1, second: -1, ns: -1}
}

// time builds the point in time, with parts of def where none were given.
func (f fields) time(def time.Time) (time.Time, error) {
	pick := func(v, d int) int {
		if v < 0 {
			return d
		}
		return v
	}
	if f.pm > 0 {
		if f.hour < 1 || f.hour > 12 {
			return time.Time{}, fmt.Errorf("hour %d does not go with AM or PM", f.hour)
		}
		f.hour %= 12
		if f.pm == 2 {
			f.hour += 12
		}
	}
	y, m, d := pick(f.year, def.Year()), pick(f.month, int(def.Month())), f.day
	if y < 1 || y > 9999 || m < 1 || m > 12 {
		return time.Time{}, fmt.Errorf("year %d, month %d is no date", y, m)
	}
	last := time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if d < 0 { // the day of the default, cut to the month
		d = min(def.Day(), last)
	}
	if d < 1 || d > last {
		return time.Time{}, fmt.Errorf("day %d is out of range for the month", d)
	}
	h, mi, s := max(f.hour, 0), max(f.minute, 0), max(f.second, 0)
	if h > 23 || mi > 59 || s > 59 {
		return time.Time{}, fmt.Errorf("%d:%02d:%02d is no time of day", h, mi, s)
	}
	zone := f.zone
	if zone == nil {
		zone = time.UTC
	}
	return time.Date(y, time.Month(m), d, h, mi, s, max(f.ns, 0), zone), nil
}

// fraction reads the digits behind a decimal point as nanoseconds, cut to microseconds.
func fraction(digits string) int {
	if len(digits) > 6 {
		digits = digits[:6]
	}
	n, _ := strconv.Atoi(digits + strings.Repeat("0", 9-len(digits)))
	return n
}

// offset reads Z, +HH, +HHMM, +HH:MM or +HH:MM:SS.
func offset(s string) (*time.Location, bool) {
	if s == "Z" || s == "z" {
		return time.UTC, true
	}
	if len(s) < 2 || s[0] != '+' && s[0] != '-' {
		return nil, false
	}
	digits := strings.ReplaceAll(s[1:], ":", "")
	if strings.Trim(digits, "0123456789") != "" || len(digits) > 6 {
		return nil, false
	}
	if len(digits) == 1 || len(digits) == 3 {
		digits = "0" + digits
	}
	total := 0
	for i, unit := range []int{3600, 60, 1} {
		if len(digits) >= 2*i+2 {
			n, _ := strconv.Atoi(digits[2*i : 2*i+2])
			total += n * unit
		}
	}
	if total >= 24*3600 {
		return nil, false
	}
	if s[0] == '-' {
		total = -total
	}
	if total == 0 {
		return time.UTC, true
	}
	return time.FixedZone("", total), true
}
