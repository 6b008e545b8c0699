package schedule

import (
	"encoding/json"
	"fmt"
	"time"
)

// cron fires whenever all its fields fit the clock of its zone.
type cron struct {
	fields [fieldCount][]expression
	zone   *time.Location
}

func parseCron(parameters json.RawMessage, local *time.Location) (Schedule, error) {
	var p struct {
		Year      json.RawMessage `json:"year"`
		Month     json.RawMessage `json:"month"`
		Day       json.RawMessage `json:"day"`
		Week      json.RawMessage `json:"week"`
		DayOfWeek json.RawMessage `json:"day_of_week"`
		Hour      json.RawMessage `json:"hour"`
		Minute    json.RawMessage `json:"minute"`
		Second    json.RawMessage `json:"second"`
		Timezone  *string         `json:"timezone"`
	}
	if err := decode(parameters, &p); err != nil {
		return nil, err
	}
	c := cron{}
	var err error
	if c.zone, err = location(p.Timezone, local); err != nil {
		return nil, err
	}
	texts := [fieldCount]*string{}
	last := field(-1) // the least significant field given
	for f, raw := range [fieldCount]json.RawMessage{p.Year, p.Month, p.Day, p.Week, p.DayOfWeek, p.Hour, p.Minute, p.Second} {
		if texts[f], err = fieldText(raw); err != nil {
			return nil, fmt.Errorf("%s: %w", fieldRules[f].name, err)
		}
		if texts[f] != nil {
			last = field(f)
		}
	}
	for f := range fieldCount {
		text := "*"
		switch {
		case texts[f] != nil:
			text = *texts[f]
		case last >= 0 && f > last:
			text = fieldRules[f].fallback
		}
		if c.fields[f], err = parseField(f, text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// fieldText reads a parameter that is a text or an integer; nil when it is not given.
func fieldText(raw json.RawMessage) (*string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return &text, nil
	}
	var n int64
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("%s is neither a text nor an integer", raw)
	}
	text = fmt.Sprint(n)
	return &text, nil
}

// Next implements Schedule.
func (c cron) Next(after time.Time) (time.Time, bool) {
	found, ok := c.walk(wallOf(after.Truncate(time.Second).Add(time.Second), c.zone), true)
	return found.instant(c.zone), ok
}

// walk goes through the fields from the year down. A field that is too low is raised, one for which no value is left makes the field above
// go on by one; what is below starts over. Raising sets the clock on the wall, going on lets time pass, and clocks that change in between are
// taken as APScheduler takes them, with one exception: where clocks go forward at midnight, APScheduler finds no 0:00 on that day and leaves
// out what is due in the hour that is skipped. With gaps set that is due at the same distance from the change.
func (c cron) walk(now wall, gaps bool) (wall, bool) {
	f, ok := fieldYear, true
	for f < fieldCount {
		current := f.value(now.Time)
		next, found := c.lowest(f, now.Time)
		switch {
		case found && next > current && !fieldRules[f].derived:
			now = localize(reading(now.Time, f, next), c.zone)
			f++
			continue
		case found && next <= current:
			f++
			continue
		case !found:
			f--
		}
		var midnight time.Time
		if now, f, midnight, ok = c.advance(now, f); !ok {
			return now, false
		}
		if gaps && f <= fieldDay && !now.Equal(midnight) { // the clock was changed on the way
			if due, ok := c.inGap(midnight); ok {
				return due, true
			}
		}
	}
	return now, true
}

// inGap looks for something due between a midnight that the clock skips and the reading it goes on with.
func (c cron) inGap(midnight time.Time) (wall, bool) {
	if _, exists := standardReading(midnight, c.zone); exists {
		return wall{}, false
	}
	due, ok := c.walk(localize(midnight, c.zone), false)
	if _, exists := standardReading(due.Time, c.zone); !ok || exists || due.YearDay() != midnight.YearDay() || due.Year() != midnight.Year() {
		return wall{}, false
	}
	return due, true
}

// lowest returns the lowest value that one of the alternatives of a field allows.
func (c cron) lowest(f field, t time.Time) (lowest int, found bool) {
	for _, e := range c.fields[f] {
		if value, ok := e.next(f, t); ok && (!found || value < lowest) {
			lowest, found = value, true
		}
	}
	return lowest, found
}

// advance adds one to a field, or to the nearest one above it that has room, and starts all below over. It returns the field that was
// changed and the reading aimed at, and false when the last year is over.
func (c cron) advance(now wall, f field) (wall, field, time.Time, bool) {
	for ; f >= 0; f-- {
		if fieldRules[f].derived {
			continue
		}
		if value := f.value(now.Time); value < f.max(now.Time) {
			target := reading(now.Time, f, value+1)
			return now.plus(target.Sub(now.Time), c.zone), f, target, true
		}
	}
	return now, f, time.Time{}, false
}

// reading is a date with one field set and all less significant ones at their minimum.
func reading(t time.Time, f field, value int) time.Time {
	parts := [fieldCount]int{}
	for g := range fieldCount {
		switch {
		case g < f:
			parts[g] = g.value(t)
		case g > f:
			parts[g] = fieldRules[g].min
		default:
			parts[g] = value
		}
	}
	return time.Date(parts[fieldYear], time.Month(parts[fieldMonth]), parts[fieldDay], parts[fieldHour], parts[fieldMinute], parts[fieldSecond], 0, time.UTC)
}
