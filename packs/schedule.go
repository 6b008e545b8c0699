package packs

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"petrel/engine"
)

// checkTriggerParameters holds the parameters of the trigger types that the
// engine itself serves to what it can serve.
func checkTriggerParameters(trigger *object, typ string) {
	params := trigger.child("parameters")
	if params == nil {
		params = &object{file: trigger.file, path: trigger.at("parameters"), line: trigger.line}
	}
	switch typ {
	case engine.TriggerWebhook:
		params.only("url")
		if url := params.must("url", "it is the path after /api/v1/webhooks/, for example url: alertmanager"); url != "" && strings.Trim(url, "/") == "" {
			params.file.report(params.lineOf("url"), "%s %q names no webhook; write for example url: alertmanager", params.at("url"), url)
		}
	case engine.TriggerIntervalTimer:
		params.only("unit", "delta", "timezone")
		units := []string{"weeks", "days", "hours", "minutes", "seconds"}
		unit := params.must("unit", "write one of "+strings.Join(units, ", "))
		if unit != "" && !slices.Contains(units, unit) {
			params.file.report(params.lineOf("unit"), "%s is one of %s, not %q", params.at("unit"), strings.Join(units, ", "), unit)
		}
		params.interval("delta")
		params.timezone()
	case engine.TriggerDateTimer:
		params.only("date", "timezone")
		params.must("date", "write for example \"2030-01-31 08:00:00\", in quotes")
		params.timezone()
	case engine.TriggerCronTimer:
		params.only(append(cronNames(), "timezone")...)
		for _, c := range cronFields {
			params.cronField(c.name, c.min, c.max)
		}
		params.timezone()
	}
}

// cronFields are the fields of a cron timer with the range of their numbers.
// day_of_week 0 is Monday.
var cronFields = [...]struct {
	name     string
	min, max int
}{
	{"year", 1970, 9999}, {"month", 1, 12}, {"day", 1, 31}, {"week", 1, 53},
	{"day_of_week", 0, 6}, {"hour", 0, 23}, {"minute", 0, 59}, {"second", 0, 59},
}

func cronNames() []string {
	var names []string
	for _, c := range cronFields {
		names = append(names, c.name)
	}
	return names
}

// interval checks a whole number of at least one.
func (o *object) interval(name string) {
	if !o.has(name) {
		o.file.report(o.lineOf(name), "%s is missing; write a whole number of at least 1", o.at(name))
		return
	}
	n, ok := o.integer(name)
	if !ok {
		o.mismatch(name, "a whole number")
	} else if n < 1 {
		o.file.report(o.lineOf(name), "%s must be at least 1, but is %d", o.at(name), n)
	}
}

// cronField checks the range of a number; expressions are read by the timers.
func (o *object) cronField(name string, low, high int) {
	if !o.has(name) {
		return
	}
	n, isNumber := o.integer(name)
	if !isNumber {
		text, ok := o.file.text(o.fields[name].value)
		if !ok {
			o.mismatch(name, "a whole number or text")
			return
		}
		parsed, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return
		}
		n = int64(parsed)
	}
	if n < int64(low) || n > int64(high) {
		o.file.report(o.lineOf(name), "%s must be between %d and %d, but is %d", o.at(name), low, high, n)
	}
}

// timezone checks a name of the time zone database.
func (o *object) timezone() {
	name := o.text("timezone")
	if name == "" {
		return
	}
	if _, err := time.LoadLocation(name); err != nil {
		o.file.report(o.lineOf("timezone"), "%s %q is not known; write for example UTC or Europe/Berlin", o.at("timezone"), name)
	}
}

// integer reads a whole number.
func (o *object) integer(name string) (int64, bool) {
	var n int64
	err := json.Unmarshal(o.file.json(o.fields[name].value), &n)
	return n, err == nil
}
