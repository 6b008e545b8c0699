package datetext

import (
	"fmt"
	"strconv"
	"strings"
)

// number reads a token of digits, whose meaning depends on its length and on what follows.
func (p *parser) number(token string) error {
	whole, _, hasFraction := strings.Cut(token, ".")
	next := p.token(1)
	switch {
	case len(p.date.values) == 3 && (len(token) == 2 || len(token) == 4) && p.hour == unset && !hasFraction && next != ":" && unitOf(next) < 0:
		return p.clock(token) // 20240131T23[59]
	case len(token) == 6 || (hasFraction && len(whole) == 6):
		if len(p.date.values) == 0 && !hasFraction {
			return p.date.addTexts(token[:2], token[2:4], token[4:])
		}
		return p.clock(token)
	case !hasFraction && (len(token) == 8 || len(token) == 12 || len(token) == 14):
		if err := p.date.addTexts(token[:4], token[4:6], token[6:8]); err != nil || len(token) == 8 {
			return err
		}
		return p.clock(token[8:])
	case p.unitAhead() > 0:
		return p.measured(token)
	case next == ":" && isNumber(p.token(2)):
		return p.clockWithColons(token)
	case next == "-" || next == "/" || next == ".":
		return p.joined(token, next)
	case next == "" || isFiller(strings.ToLower(next)):
		return p.alone(token)
	case isMeridiem(next):
		return p.hourOfHalf(token, 1)
	}
	return p.date.addDay(token)
}

// clock reads HH, HHMM or HHMMSS[.fraction] without separators.
func (p *parser) clock(token string) error {
	var err error
	if p.hour, err = atoi(token[:2]); err != nil || len(token) == 2 {
		return err
	}
	if p.minute, err = atoi(token[2:4]); err != nil || len(token) == 4 {
		return err
	}
	return p.seconds(token[4:])
}

// clockWithColons reads HH:MM[:SS[.fraction]].
func (p *parser) clockWithColons(token string) error {
	var err error
	if p.hour, err = atoi(token); err != nil {
		return err
	}
	minute := p.token(2)
	whole, fraction, _ := strings.Cut(minute, ".")
	if p.minute, err = atoi(whole); err != nil {
		return err
	}
	if fraction != "" { // 10:30.5 is half a minute more
		part, err := strconv.ParseFloat("0."+fraction, 64)
		if err != nil {
			return err
		}
		p.second = int(part * 60)
	}
	p.at += 2
	if p.token(1) == ":" && isNumber(p.token(2)) {
		p.at += 2
		return p.seconds(p.token(0))
	}
	return nil
}

// seconds reads SS[.fraction]; the fraction counts to the microsecond.
func (p *parser) seconds(token string) error {
	whole, fraction, _ := strings.Cut(token, ".")
	var err error
	if p.second, err = atoi(whole); err != nil {
		return err
	}
	if fraction != "" {
		micros, err := atoi((fraction + "000000")[:6])
		if err != nil {
			return err
		}
		p.nanos = micros * 1000
	}
	return nil
}

var units = [][]string{{"h", "hour", "hours"}, {"m", "minute", "minutes"}, {"s", "second", "seconds"}}

func unitOf(word string) int { return lookup(units, strings.ToLower(word)) }

// unitAhead returns how many tokens ahead a unit of time stands, or 0: `10h`, `10 h`.
func (p *parser) unitAhead() int {
	switch {
	case unitOf(p.token(1)) >= 0:
		return 1
	case p.token(1) == " " && unitOf(p.token(2)) >= 0:
		return 2
	}
	return 0
}

// measured reads `10h`, `36 m`, `28.5 s`, and a number that follows the unit without its own: `10h36`.
func (p *parser) measured(token string) error {
	ahead := p.unitAhead()
	unit := unitOf(p.token(ahead))
	if err := p.setUnit(unit, token); err != nil {
		return err
	}
	p.at += ahead
	if isNumber(p.token(1)) && unit < 2 && (p.token(2) == "" || unitOf(p.token(2)) < 0) {
		p.at++
		return p.setUnit(unit+1, p.token(0))
	}
	return nil
}

func (p *parser) setUnit(unit int, token string) error {
	if unit == 2 {
		return p.seconds(token)
	}
	whole, fraction, _ := strings.Cut(token, ".")
	n, err := atoi(whole)
	if err != nil {
		return err
	}
	part := 0.0
	if fraction != "" {
		if part, err = strconv.ParseFloat("0."+fraction, 64); err != nil {
			return err
		}
	}
	if unit == 0 {
		p.hour = n
		if part > 0 {
			p.minute = int(60 * part)
		}
		return nil
	}
	p.minute = n
	if part > 0 {
		p.second = int(60 * part)
	}
	return nil
}

// joined reads dates with separators: 2024-01-31, 31/Jan/2024, 1.2.2024.
func (p *parser) joined(token, separator string) error {
	if err := p.date.addText(token); err != nil {
		return err
	}
	if next := p.token(2); next != "" && !isFiller(strings.ToLower(next)) {
		if err := p.date.addText(next); err != nil {
			return err
		}
		p.at++
		if p.token(2) == separator && p.token(3) != "" {
			if err := p.date.addText(p.token(3)); err != nil {
				return err
			}
			p.at += 2
		}
	}
	p.at++
	return nil
}

// alone reads a number that stands by itself: a part of the date, or an hour before am and pm.
func (p *parser) alone(token string) error {
	if isMeridiem(p.token(2)) {
		return p.hourOfHalf(token, 2)
	}
	if p.at+1 < len(p.tokens) {
		p.at++
		if err := p.date.addText(token); err != nil {
			return err
		}
		return nil
	}
	return p.date.addText(token)
}

// hourOfHalf reads the 9 of `9 pm`, whose word is ahead tokens away.
func (p *parser) hourOfHalf(token string, ahead int) error {
	hour, err := atoi(token)
	if err != nil {
		return err
	}
	p.hour = hour
	p.at += ahead
	return p.meridiem(strings.ToLower(p.token(0)))
}

// dateParts are the numbers of a date in the order written; which is which is decided at the end.
type dateParts struct {
	values           []int
	year, month, day int // 1 + index of a value whose part is known, else 0
	centuryGiven     bool
}

// addText adds a number or the name of a month.
func (d *dateParts) addText(token string) error {
	if month := lookup(months, strings.ToLower(token)); month >= 0 {
		return d.add(month+1, 'm')
	}
	n, err := atoi(token)
	if err != nil {
		return err
	}
	if len(token) > 2 {
		d.centuryGiven = true
		return d.add(n, 'y')
	}
	return d.add(n, 0)
}

func (d *dateParts) addTexts(tokens ...string) error {
	for _, token := range tokens {
		if err := d.addText(token); err != nil {
			return err
		}
	}
	return nil
}

// addDay adds a number that nothing explains, if it may be the day that is missing.
func (d *dateParts) addDay(token string) error {
	n, err := atoi(token)
	if err != nil {
		return err
	}
	if d.day != 0 || n < 1 || n > 31 {
		return fmt.Errorf("%q has no meaning here", token)
	}
	return d.add(n, 0)
}

func (d *dateParts) add(n int, part rune) error {
	d.values = append(d.values, n)
	if len(d.values) > 3 {
		return fmt.Errorf("it holds more than a year, a month and a day")
	}
	known := map[rune]*int{'y': &d.year, 'm': &d.month, 'd': &d.day}[part]
	if known == nil {
		return nil
	}
	if *known != 0 {
		return fmt.Errorf("its %s is given twice", map[rune]string{'y': "year", 'm': "month", 'd': "day"}[part])
	}
	*known = len(d.values)
	return nil
}

// resolve decides which number is the year, the month and the day: a month by name, a number above 31 is a year, above 12 no month, and
// otherwise the American order month, day, year.
func (d *dateParts) resolve() (year, month, day int, err error) {
	v := d.values
	year, month, day = unset, unset, unset
	switch {
	case len(v) == 1 && d.month != 0:
		month = v[0]
	case len(v) == 1 && (v[0] > 31 || d.year != 0):
		year = v[0]
	case len(v) == 1:
		day = v[0]
	case len(v) == 2 && d.month != 0:
		month = v[d.month-1]
		if other := v[2-d.month]; other > 31 || d.year != 0 {
			year = other
		} else {
			day = other
		}
	case len(v) == 2 && (v[0] > 31 || d.year == 1):
		year, month = v[0], v[1]
	case len(v) == 2 && (v[1] > 31 || d.year == 2):
		month, year = v[0], v[1]
	case len(v) == 2:
		month, day = v[0], v[1]
	case len(v) == 3:
		year, month, day = d.resolveThree()
	}
	return year, month, day, nil
}

func (d *dateParts) resolveThree() (year, month, day int) {
	v := d.values
	switch {
	case d.month != 0 && d.year != 0:
		return v[d.year-1], v[d.month-1], v[6-d.year-d.month-1]
	case d.month == 1 && v[1] > 31:
		return v[1], v[0], v[2]
	case d.month == 1:
		return v[2], v[0], v[1]
	case d.month == 2 && v[0] > 31:
		return v[0], v[1], v[2]
	case d.month == 2:
		return v[2], v[1], v[0]
	case d.month == 3 && v[1] > 31:
		return v[1], v[2], v[0]
	case d.month == 3:
		return v[0], v[2], v[1]
	case v[0] > 31 || d.year == 1:
		return v[0], v[1], v[2]
	case v[0] > 12:
		return v[2], v[1], v[0]
	}
	return v[2], v[0], v[1]
}

// atoi reads a plain number of a date.
func atoi(s string) (int, error) {
	if !isDigits(s) || len(s) > 9 {
		return 0, fmt.Errorf("%q has no meaning here", s)
	}
	return strconv.Atoi(s)
}
