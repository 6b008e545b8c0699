package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is the number of a part of a cron schedule, the most significant first.
type field int

const (
	fieldYear field = iota
	fieldMonth
	fieldDay
	fieldWeek
	fieldDayOfWeek
	fieldHour
	fieldMinute
	fieldSecond
	fieldCount
)

// fieldRule is what holds for a field whatever is asked of it.
type fieldRule struct {
	name     string
	min, max int
	fallback string   // what a field that is not given means, below the least significant one given
	names    []string // words for min, min+1, ...
	derived  bool     // follows from the date, cannot be set
}

var fieldRules = [fieldCount]fieldRule{
	{name: "year", min: 1970, max: 9999, fallback: "*"},
	{name: "month", min: 1, max: 12, fallback: "1", names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "day", min: 1, max: 31, fallback: "1"},
	{name: "week", min: 1, max: 53, fallback: "*", derived: true},
	{name: "day_of_week", min: 0, max: 6, fallback: "*", derived: true, names: weekdayNames},
	{name: "hour", min: 0, max: 23, fallback: "0"},
	{name: "minute", min: 0, max: 59, fallback: "0"},
	{name: "second", min: 0, max: 59, fallback: "0"},
}

var (
	weekdayNames  = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	positionNames = []string{"1st", "2nd", "3rd", "4th", "5th", "last"}
)

// value reads a field off a date.
func (f field) value(t time.Time) int {
	switch f {
	case fieldYear:
		return t.Year()
	case fieldMonth:
		return int(t.Month())
	case fieldDay:
		return t.Day()
	case fieldWeek:
		_, week := t.ISOWeek()
		return week
	case fieldDayOfWeek:
		return weekday(t)
	case fieldHour:
		return t.Hour()
	case fieldMinute:
		return t.Minute()
	}
	return t.Second()
}

// max is the highest value of a field at a date.
func (f field) max(t time.Time) int {
	if f == fieldDay {
		return daysIn(t)
	}
	return fieldRules[f].max
}

// weekday counts from Monday = 0.
func weekday(t time.Time) int { return (int(t.Weekday()) + 6) % 7 }

func daysIn(t time.Time) int { return time.Date(t.Year(), t.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }

// expression is one of the alternatives of a field: a range with a step, or the n-th or last weekday of a month, or its last day.
type expression struct {
	first, last int  // the range
	step        int  // 0: every value
	open        bool // the range ends with the field
	position    int  // 1 + index into positionNames, 0 for a range
	weekday     int  // for a position; -1 is any day, so that `last` is the last day
}

// next returns the lowest value from the date's own on that fits.
func (e expression) next(f field, t time.Time) (int, bool) {
	if e.position > 0 {
		return e.nextPosition(t)
	}
	low, high := max(fieldRules[f].min, e.first), f.max(t)
	if !e.open {
		high = min(high, e.last)
	}
	value := max(low, f.value(t))
	if e.step > 0 {
		value += (e.step - (value-low)%e.step) % e.step
	}
	return value, value <= high
}

func (e expression) nextPosition(t time.Time) (int, bool) {
	last := daysIn(t)
	if e.weekday < 0 {
		return last, true
	}
	firstOfMonth := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	day := 1 + (e.weekday-weekday(firstOfMonth)+7)%7
	if e.position == len(positionNames) {
		day += (last - day) / 7 * 7
	} else {
		day += (e.position - 1) * 7
	}
	return day, day <= last && day >= t.Day()
}

// parseField reads the comma list of a field.
func parseField(f field, text string) ([]expression, error) {
	var list []expression
	for part := range strings.SplitSeq(text, ",") {
		e, err := parseExpression(f, strings.Trim(part, " \t\r\n"))
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", fieldRules[f].name, text, err)
		}
		list = append(list, e)
	}
	return list, nil
}

func parseExpression(f field, text string) (expression, error) {
	rule := fieldRules[f]
	lower := strings.ToLower(text)
	if f == fieldDay {
		if lower == "last" {
			return expression{position: len(positionNames), weekday: -1}, nil
		}
		if position, name, ok := strings.Cut(lower, " "); ok {
			return parsePosition(position, strings.TrimLeft(name, " "))
		}
	}
	spanText, stepText, hasStep := strings.Cut(lower, "/")
	e := expression{first: rule.min, open: true}
	if spanText != "*" {
		var named bool
		var err error
		if e, named, err = parseSpan(rule, spanText, hasStep); err != nil {
			return e, err
		}
		if named && hasStep {
			return e, errors.New("a step works with numbers only, not with names")
		}
	}
	if !hasStep {
		return e, nil
	}
	step, err := number(stepText)
	if err != nil {
		return e, err
	}
	span := rule.max - e.first
	if !e.open && e.last > 0 { // APScheduler takes a range that ends at 0 for an open one here
		span = e.last - e.first
	}
	if step < 1 || step > span {
		return e, fmt.Errorf("the step is %d, must be from 1 to %d", step, span)
	}
	e.step = step
	return e, nil
}

// parseSpan reads `a` and `a-b` in numbers or names. A single number with a step is open: it goes on to the end of the field.
func parseSpan(rule fieldRule, text string, hasStep bool) (e expression, named bool, err error) {
	firstText, lastText, isRange := strings.Cut(text, "-")
	if e.first, named, err = rule.number(firstText); err != nil {
		return e, named, err
	}
	e.last = e.first
	switch {
	case isRange:
		var lastNamed bool
		if e.last, lastNamed, err = rule.number(lastText); err != nil {
			return e, named, err
		}
		if named != lastNamed {
			return e, named, errors.New("a range has either two numbers or two names")
		}
	case hasStep:
		e.open = true
	}
	switch {
	case e.first > e.last:
		err = errors.New("the first value of a range must not be higher than the last")
	case e.first < rule.min || e.last > rule.max:
		err = fmt.Errorf("values go from %d to %d", rule.min, rule.max)
	}
	return e, named, err
}

// number reads a number or one of the field's names.
func (r fieldRule) number(text string) (n int, named bool, err error) {
	if i := slices.Index(r.names, text); i >= 0 {
		return r.min + i, true, nil
	}
	n, err = number(text)
	if err != nil && len(r.names) > 0 {
		err = fmt.Errorf("%w; the names are %s", err, strings.Join(r.names, ", "))
	}
	return n, false, err
}

func number(text string) (int, error) {
	if text == "" || strings.Trim(text, "0123456789") != "" || len(text) > 9 {
		return 0, fmt.Errorf("%q is not understood; use *, */n, a, a-b, a-b/n, separated by commas", text)
	}
	return strconv.Atoi(text)
}

// parsePosition reads `2nd fri` and `last sun`.
func parsePosition(position, name string) (expression, error) {
	i, day := slices.Index(positionNames, position), slices.Index(weekdayNames, name)
	if i < 0 || day < 0 {
		return expression{}, fmt.Errorf("%q is not understood; write one of %s and one of %s, for example 2nd fri",
			position+" "+name, strings.Join(positionNames, ", "), strings.Join(weekdayNames, ", "))
	}
	return expression{position: i + 1, weekday: day}, nil
}
