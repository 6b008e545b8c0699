// Package datetext reads dates and times as people write them, by the rules of Python's dateutil, which StackStorm uses wherever a text stands
// for a moment: ISO 8601, `Jan 1 2024 11:59:50`, `1/2/2024` (month first), `2024-01-01 9pm +02:00`, RFC 2822 and more.
//
// The package knows text and time only; which zone a text without one means is the caller's affair.
package datetext

import (
	"fmt"
	"strings"
	"time"
)

// maxText is the longest text that is looked at, in bytes.
const maxText = 256

// Parse reads text. Parts that are not given are those of now's day, the time of day being 0:00; a weekday without a date is the next such
// day, today included. zoned tells whether the text named its offset from UTC; otherwise the result is in now's zone.
func Parse(text string, now time.Time) (t time.Time, zoned bool, err error) {
	if len(text) > maxText {
		return time.Time{}, false, fmt.Errorf("%.40q... is too long for a date", text)
	}
	p := &parser{tokens: tokenize(text), thisYear: now.Year(), hour: unset, minute: unset, second: unset, weekday: unset}
	if err := p.run(); err != nil {
		return time.Time{}, false, fmt.Errorf("%q is not a date: %w; write it as 2024-01-31T15:04:05Z, for example", text, err)
	}
	t, err = p.build(now)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("%q is not a date: %w", text, err)
	}
	return t, p.offset != nil, nil
}

const unset = -1

// parser holds what has been read so far.
type parser struct {
	tokens   []string
	thisYear int
	at       int

	date                 dateParts
	hour, minute, second int
	nanos                int
	weekday              int // 0 = Monday
	afternoon            string
	zone                 string
	offset               *int // seconds east of UTC
}

func (p *parser) run() error {
	for p.at < len(p.tokens) {
		token := p.tokens[p.at]
		if isNumber(token) {
			if err := p.number(token); err != nil {
				return err
			}
			p.at++
			continue
		}
		if err := p.word(token); err != nil {
			return err
		}
		p.at++
	}
	if len(p.date.values) == 0 && p.hour == unset && p.minute == unset && p.second == unset && p.weekday == unset {
		return fmt.Errorf("it holds neither a date nor a time")
	}
	return nil
}

// token returns the token n places ahead, or nothing.
func (p *parser) token(n int) string {
	if p.at+n >= 0 && p.at+n < len(p.tokens) {
		return p.tokens[p.at+n]
	}
	return ""
}

// word reads a token that is not a number.
func (p *parser) word(token string) error {
	lower := strings.ToLower(token)
	switch {
	case lookup(weekdays, lower) >= 0:
		p.weekday = lookup(weekdays, lower)
	case lookup(months, lower) >= 0:
		return p.month(lookup(months, lower) + 1)
	case lower == "am" || lower == "pm" || lower == "a" || lower == "p":
		return p.meridiem(lower)
	case p.hour != unset && p.offset == nil && p.zone == "" && isZoneName(token):
		p.zoneName(token)
	case p.hour != unset && p.offset == nil && (token == "+" || token == "-"):
		return p.zoneOffset(token)
	case p.offset != nil && (token == "(" || token == ")" || isZoneName(token)):
		// The name of a zone whose offset is known: -0300 (BRST)
	case !isFiller(lower):
		return fmt.Errorf("%q has no meaning here", token)
	}
	return nil
}

// month adds a month given by name, and what is joined to it: Jan-01-99, Jan of 01.
func (p *parser) month(month int) error {
	if err := p.date.add(month, 'm'); err != nil {
		return err
	}
	separator := p.token(1)
	switch {
	case (separator == "-" || separator == "/") && p.token(2) != "":
		if err := p.date.addText(p.token(2)); err != nil {
			return err
		}
		p.at += 2
		if p.token(1) == separator && p.token(2) != "" {
			if err := p.date.addText(p.token(2)); err != nil {
				return err
			}
			p.at += 2
		}
	case p.token(1) == " " && p.token(2) == "of" && p.token(3) == " " && isDigits(p.token(4)):
		year, err := atoi(p.token(4))
		if err != nil {
			return err
		}
		p.at += 4
		return p.date.add(p.century(year, len(p.token(0)) > 2), 'y')
	}
	return nil
}

// century completes a year of two digits to the nearest one.
func (p *parser) century(year int, given bool) int {
	if year >= 100 || given {
		return year
	}
	year += p.thisYear / 100 * 100
	switch {
	case year >= p.thisYear+50:
		year -= 100
	case year < p.thisYear-50:
		year += 100
	}
	return year
}

func (p *parser) meridiem(word string) error {
	if p.hour == unset {
		if word == "a" || word == "p" {
			return fmt.Errorf("%q without an hour in front of it", word)
		}
		return fmt.Errorf("%s without an hour in front of it", word)
	}
	if p.afternoon != "" {
		return fmt.Errorf("am or pm is given twice")
	}
	if p.hour > 12 {
		return fmt.Errorf("hour %d with am or pm", p.hour)
	}
	p.afternoon = word[:1]
	if p.afternoon == "p" && p.hour < 12 {
		p.hour += 12
	} else if p.afternoon == "a" && p.hour == 12 {
		p.hour = 0
	}
	return nil
}

func (p *parser) zoneName(name string) {
	p.zone = name
	if upper := strings.ToUpper(name); upper == "UTC" || upper == "GMT" || upper == "Z" {
		zero := 0
		p.offset = &zero
	}
	if sign := p.token(1); (sign == "+" || sign == "-") && isDigits(p.token(2)) {
		// As in POSIX, GMT+3 says what to add to get to Greenwich: it lies three hours west.
		p.offset, p.zone = nil, ""
		p.tokens[p.at+1] = map[string]string{"+": "-", "-": "+"}[sign]
	}
}

// zoneOffset reads +HH, +HHMM and +HH:MM.
func (p *parser) zoneOffset(sign string) error {
	digits := p.token(1)
	if !isDigits(digits) {
		return fmt.Errorf("%q must be followed by an offset such as 02:00", sign)
	}
	number, err := atoi(digits)
	if err != nil {
		return err
	}
	p.at++
	seconds := 0
	switch {
	case len(digits) == 4:
		seconds = number/100*3600 + number%100*60
	case p.token(1) == ":" && isDigits(p.token(2)):
		minutes, err := atoi(p.token(2))
		if err != nil {
			return err
		}
		seconds = number*3600 + minutes*60
		p.at += 2
	case len(digits) <= 2:
		seconds = number * 3600
	default:
		return fmt.Errorf("%s%s is not an offset", sign, digits)
	}
	if seconds >= 24*3600 {
		return fmt.Errorf("the offset %s%s is a day or more", sign, digits)
	}
	if sign == "-" {
		seconds = -seconds
	}
	p.offset = &seconds
	return nil
}

// build makes the moment out of the parts.
func (p *parser) build(now time.Time) (time.Time, error) {
	year, month, day, err := p.date.resolve()
	if err != nil {
		return time.Time{}, err
	}
	if year != unset {
		year = p.century(year, p.date.centuryGiven)
	}
	base := now
	fill := func(part *int, fallback int) bool {
		missing := *part == unset
		if missing {
			*part = fallback
		}
		return missing
	}
	fill(&year, base.Year())
	fill(&month, int(base.Month()))
	noDay := fill(&day, base.Day())
	if month < 1 || month > 12 {
		return time.Time{}, fmt.Errorf("there is no month %d", month)
	}
	last := time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if noDay {
		day = min(day, last)
	}
	for _, part := range []struct {
		name            string
		value, min, max int
	}{{"year", year, 1, 9999}, {"day", day, 1, last}, {"hour", max(p.hour, 0), 0, 23}, {"minute", max(p.minute, 0), 0, 59}, {"second", max(p.second, 0), 0, 59}} {
		if part.value < part.min || part.value > part.max {
			return time.Time{}, fmt.Errorf("there is no %s %d", part.name, part.value)
		}
	}
	zone := now.Location()
	if p.offset != nil {
		if zone = time.UTC; *p.offset != 0 {
			zone = time.FixedZone("", *p.offset)
		}
	}
	t := time.Date(year, time.Month(month), day, max(p.hour, 0), max(p.minute, 0), max(p.second, 0), p.nanos, zone)
	if p.weekday != unset && noDay {
		t = t.AddDate(0, 0, (p.weekday-(int(t.Weekday())+6)%7+7)%7)
	}
	return t, nil
}
