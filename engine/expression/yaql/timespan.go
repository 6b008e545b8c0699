package yaql

import (
	"fmt"
	"time"

	"petrel/engine/expression/datetime"
	"petrel/engine/expression/value"
)

// Timespan is YAQL's timespan, in microseconds. It is spelled like Python's timedelta.
type Timespan int64

const (
	microsecond Timespan = 1
	second               = 1_000_000 * microsecond
	minute               = 60 * second
	hour                 = 60 * minute
	day                  = 24 * hour
)

// maxSpan bounds timespans, so that arithmetic on times stays within years 1 to 9999.
const maxSpan = 9999 * 366 * day

// TypeName names the type in error messages.
func (Timespan) TypeName() string { return "timespan" }

// Str spells the timespan as Python does: 1 day, 2:03:04.000005.
func (t Timespan) Str() string {
	days := t / day
	rest := t % day
	if rest < 0 {
		days, rest = days-1, rest+day
	}
	s := ""
	if days != 0 {
		s = fmt.Sprintf("%d day", days)
		if days != 1 && days != -1 {
			s += "s"
		}
		s += ", "
	}
	s += fmt.Sprintf("%d:%02d:%02d", rest/hour, rest%hour/minute, rest%minute/second)
	if micro := rest % second; micro != 0 {
		s += fmt.Sprintf(".%06d", micro)
	}
	return s
}

// Plain gives the text, for JSON.
func (t Timespan) Plain() (any, error) { return t.Str(), nil }

func (t Timespan) duration() time.Duration { return time.Duration(t) * time.Microsecond }

// span makes a timespan of a number of microseconds.
func span(micros float64) (any, error) {
	if micros != micros || micros > float64(maxSpan) || micros < -float64(maxSpan) {
		return nil, fail(Failed, "the timespan is too long")
	}
	return Timespan(datetime.RoundEven(micros)), nil
}

// timeOf gives a datetime with a zone: one without is UTC.
func timeOf(v any) time.Time {
	t, ok := v.(time.Time)
	if !ok {
		t = v.(value.Date).Time
	}
	if t.Location() == value.Naive {
		y, m, d := t.Date()
		return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	}
	return t
}

// shift moves a time by a timespan.
func shift(t time.Time, by Timespan) (any, error) {
	if by > maxSpan || by < -maxSpan {
		return nil, fail(Failed, "the timespan is too long")
	}
	out := t.AddDate(0, 0, int(by/day)).Add((by % day).duration())
	if out.Year() < 1 || out.Year() > 9999 {
		return nil, fail(Failed, "the date is out of range")
	}
	return out, nil
}

// between is a - b.
func between(a, b time.Time) Timespan {
	return Timespan(a.Unix()-b.Unix())*second + Timespan(a.Nanosecond()/1000-b.Nanosecond()/1000)
}

// zone is the location of an offset.
func zone(offset Timespan) *time.Location {
	if offset == 0 {
		return time.UTC
	}
	return time.FixedZone("", int(offset/second))
}

func offsetOf(t time.Time) Timespan {
	_, seconds := t.Zone()
	return Timespan(seconds) * second
}

// property gives a property of a datetime or a timespan.
func property(v any, name string) (any, bool) {
	switch x := v.(type) {
	case Timespan:
		return spanProperty(x, name)
	case time.Time, value.Date:
		return timeProperty(timeOf(x), name)
	}
	return nil, false
}

func spanProperty(t Timespan, name string) (any, bool) {
	unit := map[string]Timespan{"days": day, "hours": hour, "minutes": minute, "seconds": second, "milliseconds": 1000}[name]
	switch {
	case name == "microseconds":
		return int64(t), true
	case unit != 0:
		return float64(t) / float64(unit), true
	}
	return nil, false
}

func timeProperty(t time.Time, name string) (any, bool) {
	midnight := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
	switch name {
	case "year":
		return int64(t.Year()), true
	case "month":
		return int64(t.Month()), true
	case "day":
		return int64(t.Day()), true
	case "hour":
		return int64(t.Hour()), true
	case "minute":
		return int64(t.Minute()), true
	case "second":
		return int64(t.Second()), true
	case "microsecond":
		return int64(t.Nanosecond() / 1000), true
	case "weekday": // Monday is 0
		return int64(t.Weekday()+6) % 7, true
	case "date":
		return midnight, true
	case "time":
		return between(t, midnight), true
	case "offset":
		return offsetOf(t), true
	case "utc":
		return t.UTC(), true
	case "timestamp":
		return float64(t.Unix()) + float64(t.Nanosecond()/1000)/1e6, true
	}
	return nil, false
}
