// Package schedule computes when the timers fire: intervals, single dates, and cron expressions in the dialect of APScheduler 3, which
// StackStorm uses, time zones and clock changes included.
//
// The package is pure: it keeps no state, waits for nothing and knows nothing of triggers beyond the parameters of their types.
package schedule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"petrel/engine/expression/datetext"
)

// Schedule tells when to fire. It is immutable and safe for concurrent use.
type Schedule interface {
	// Next returns the first time to fire after the given moment, or false when there is none. An interval counts from the moment itself, so
	// give it the last firing, or the start; a cron schedule and a date do not depend on what was before.
	Next(after time.Time) (time.Time, bool)
}

// The trigger types of the timers, without their pack.
const (
	IntervalTimer = "st2.IntervalTimer"
	DateTimer     = "st2.DateTimer"
	CronTimer     = "st2.CronTimer"
)

// Parse reads the parameters of a timer, a JSON object. The type may be written with its pack, core.st2.CronTimer. A timer without a timezone
// runs in the host's zone.
func Parse(triggerType string, parameters json.RawMessage) (Schedule, error) {
	return ParseIn(triggerType, parameters, time.Local)
}

// ParseIn is Parse with another zone for timers that name none.
func ParseIn(triggerType string, parameters json.RawMessage, local *time.Location) (Schedule, error) {
	var s Schedule
	var err error
	switch strings.TrimPrefix(triggerType, "core.") {
	case IntervalTimer:
		s, err = parseInterval(parameters, local)
	case DateTimer:
		s, err = parseDate(parameters, local)
	case CronTimer:
		s, err = parseCron(parameters, local)
	default:
		return nil, fmt.Errorf("%q is not a timer; there are %s, %s and %s", triggerType, IntervalTimer, DateTimer, CronTimer)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", triggerType, err)
	}
	return s, nil
}

// decode reads parameters strictly.
func decode(parameters json.RawMessage, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(parameters))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("parameters: something follows the object")
	}
	return nil
}

// location finds a zone by its name in the time zone database.
func location(name *string, local *time.Location) (*time.Location, error) {
	if name == nil {
		return local, nil
	}
	if strings.EqualFold(*name, "utc") {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(*name)
	if err != nil || *name == "" || *name == "Local" {
		return nil, fmt.Errorf("timezone %q is not known; write it as in the time zone database, for example Europe/Berlin or UTC", *name)
	}
	return zone, nil
}

// interval fires every so often.
type interval struct{ every time.Duration }

// maxInterval is the longest interval a time.Duration holds with room to spare.
const maxInterval = 200 * 365 * 24 * time.Hour

func parseInterval(parameters json.RawMessage, local *time.Location) (Schedule, error) {
	var p struct {
		Unit     string  `json:"unit"`
		Delta    *int64  `json:"delta"`
		Timezone *string `json:"timezone"`
	}
	if err := decode(parameters, &p); err != nil {
		return nil, err
	}
	if _, err := location(p.Timezone, local); err != nil {
		return nil, err
	}
	names := []string{"weeks", "days", "hours", "minutes", "seconds"}
	lengths := []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second}
	unit := slices.Index(names, p.Unit)
	switch {
	case unit < 0:
		return nil, fmt.Errorf("unit is %q, must be one of %s", p.Unit, strings.Join(names, ", "))
	case p.Delta == nil:
		return nil, fmt.Errorf("delta is missing; it is the number of %s between two firings", p.Unit)
	case *p.Delta < 1:
		return nil, fmt.Errorf("delta is %d, must be 1 or more", *p.Delta)
	case *p.Delta > int64(maxInterval/lengths[unit]):
		return nil, fmt.Errorf("delta is %d %s, which is more than 200 years", *p.Delta, p.Unit)
	}
	return interval{every: time.Duration(*p.Delta) * lengths[unit]}, nil
}

func (i interval) Next(after time.Time) (time.Time, bool) { return after.Add(i.every), true }

// date fires once.
type date struct{ at time.Time }

func parseDate(parameters json.RawMessage, local *time.Location) (Schedule, error) {
	var p struct {
		Date     *string `json:"date"`
		Timezone *string `json:"timezone"`
	}
	if err := decode(parameters, &p); err != nil {
		return nil, err
	}
	zone, err := location(p.Timezone, local)
	if err != nil {
		return nil, err
	}
	if p.Date == nil {
		return nil, errors.New("date is missing; give the moment, for example 2024-01-31T15:04:05Z")
	}
	at, zoned, err := datetext.Parse(*p.Date, time.Now().In(zone))
	if err != nil {
		return nil, err
	}
	if !zoned {
		wall := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC)
		at = localize(wall, zone).instant(zone)
	}
	return date{at: at}, nil
}

func (d date) Next(after time.Time) (time.Time, bool) {
	if !d.at.After(after) {
		return time.Time{}, false
	}
	return d.at, true
}
