package schedule

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// TestConformance: the first rows are the shared conformance cases, all of which pass; the others are random schedules around the clock
// changes of several zones. All were computed with APScheduler 3.9. What differs on purpose is not among them: a midnight that the clock skips,
// see TestCronClockChanges.
func TestConformance(t *testing.T) {
	for _, name := range []string{"testdata/cron.jsonl", "testdata/cron-zones.jsonl"} {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		rows := 0
		for lines := bufio.NewScanner(file); lines.Scan(); rows++ {
			var row struct {
				Params json.RawMessage `json:"params"`
				Now    time.Time       `json:"now"`
				Next   []time.Time     `json:"next"`
				Error  bool            `json:"error"`
			}
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			s, err := Parse(CronTimer, row.Params)
			if err != nil || row.Error {
				if (err != nil) != row.Error {
					t.Errorf("%s: %v, want an error: %v", row.Params, err, row.Error)
				}
				continue
			}
			at := row.Now.Add(-1) // the moment itself counts
			for i, want := range row.Next {
				got, ok := s.Next(at)
				if !ok || !got.Equal(want) {
					t.Errorf("%s from %v: firing %d is %v, %v, want %v", row.Params, row.Now, i+1, got, ok, want)
					break
				}
				at = got
			}
		}
		if rows == 0 {
			t.Errorf("%s is empty", name)
		}
		t.Logf("%s: %d rows", name, rows)
	}
}

func TestCronClockChanges(t *testing.T) {
	tests := []struct {
		name, parameters, from string
		want                   []string
	}{
		{"a time that is skipped fires once that day", `{"hour": 2, "minute": 30, "timezone": "America/New_York"}`, "2024-03-09T12:00:00-05:00",
			[]string{"2024-03-10T03:30:00-04:00", "2024-03-11T02:30:00-04:00"}},
		{"a time that comes twice fires once", `{"hour": 1, "minute": 30, "timezone": "America/New_York"}`, "2024-11-02T12:00:00-04:00",
			[]string{"2024-11-03T01:30:00-05:00", "2024-11-04T01:30:00-05:00"}},
		{"a change of half an hour", `{"hour": 2, "minute": 15, "timezone": "Australia/Lord_Howe"}`, "2024-10-05T12:00:00+10:30",
			[]string{"2024-10-06T02:45:00+11:00", "2024-10-07T02:15:00+11:00"}},
		{"midnight that is skipped", `{"hour": 0, "timezone": "America/Sao_Paulo"}`, "2018-11-03T12:00:00-03:00",
			[]string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}},
		{"every minute goes on through the repeated hour", `{"minute": "*", "timezone": "Europe/Berlin"}`, "2024-10-27T02:59:30+02:00",
			[]string{"2024-10-27T02:00:00+01:00", "2024-10-27T02:01:00+01:00"}},
	}
	for _, tt := range tests {
		s, err := Parse(CronTimer, []byte(tt.parameters))
		if err != nil {
			t.Fatal(err)
		}
		at := moment(t, tt.from)
		for _, want := range tt.want {
			got, ok := s.Next(at)
			if !ok || got.Format(time.RFC3339) != want {
				t.Errorf("%s: after %v comes %v, want %v", tt.name, at, got.Format(time.RFC3339), want)
			}
			at = got
		}
	}
}

func TestCronWithoutAnyFiring(t *testing.T) {
	for _, parameters := range []string{`{"month": 2, "day": 30}`, `{"year": 2020}`, `{"week": 1, "month": 6}`, `{"day": "5th mon", "month": 2, "year": 2023}`} {
		s, err := ParseIn(CronTimer, []byte(parameters), time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Next(moment(t, "2024-01-01T00:00:00Z")); ok {
			t.Errorf("%s fires at %v, want never", parameters, got)
		}
	}
}

func TestInterval(t *testing.T) {
	start := moment(t, "2024-03-09T12:00:00.5Z")
	for parameters, want := range map[string]string{
		`{"unit": "seconds", "delta": 30}`:                             "2024-03-09T12:00:30.5Z",
		`{"unit": "minutes", "delta": 5, "timezone": "Europe/Berlin"}`: "2024-03-09T12:05:00.5Z",
		`{"unit": "hours", "delta": 1}`:                                "2024-03-09T13:00:00.5Z",
		`{"unit": "days", "delta": 1, "timezone": null}`:               "2024-03-10T12:00:00.5Z",
		`{"unit": "weeks", "delta": 2}`:                                "2024-03-23T12:00:00.5Z",
	} {
		s, err := Parse("core."+IntervalTimer, []byte(parameters))
		if err != nil {
			t.Errorf("%s: %v", parameters, err)
			continue
		}
		if got, ok := s.Next(start); !ok || !got.Equal(moment(t, want)) {
			t.Errorf("%s: %v, %v, want %s", parameters, got, ok, want)
		}
	}
}

func TestDate(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for parameters, want := range map[string]string{
		`{"date": "2024-05-01T10:00:00Z"}`:                                      "2024-05-01T10:00:00Z",
		`{"date": "2024-05-01 10:00"}`:                                          "2024-05-01T08:00:00Z",
		`{"date": "1 May 2024 10:00", "timezone": "America/New_York"}`:          "2024-05-01T14:00:00Z",
		`{"date": "2024-05-01T10:00:00+05:30", "timezone": "America/New_York"}`: "2024-05-01T04:30:00Z",
		`{"date": "2024-10-27 02:30"}`:                                          "2024-10-27T01:30:00Z",
		`{"date": "2024-03-31 02:30"}`:                                          "2024-03-31T01:30:00Z",
	} {
		s, err := ParseIn(DateTimer, []byte(parameters), berlin)
		if err != nil {
			t.Errorf("%s: %v", parameters, err)
			continue
		}
		at := moment(t, want)
		if got, ok := s.Next(at.Add(-time.Hour)); !ok || !got.Equal(at) {
			t.Errorf("%s: %v, %v, want %s", parameters, got, ok, want)
		}
		if got, ok := s.Next(at); ok {
			t.Errorf("%s fires again at %v", parameters, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ triggerType, parameters, hint string }{
		{"core.st2.webhook", `{}`, "not a timer"},
		{IntervalTimer, `{"unit": "years", "delta": 1}`, "weeks"},
		{IntervalTimer, `{"unit": "days"}`, "delta is missing"},
		{IntervalTimer, `{"unit": "days", "delta": 0}`, "1 or more"},
		{IntervalTimer, `{"unit": "days", "delta": -5}`, "1 or more"},
		{IntervalTimer, `{"unit": "days", "delta": 1.5}`, "parameters"},
		{IntervalTimer, `{"unit": "weeks", "delta": 9223372036854775807}`, "200 years"},
		{IntervalTimer, `{"unit": "days", "delta": 1, "start": 5}`, "start"},
		{IntervalTimer, `{"unit": "days", "delta": 1, "timezone": "Mars/Base"}`, "Mars/Base"},
		{DateTimer, `{}`, "date is missing"},
		{DateTimer, `{"date": "soon"}`, "soon"},
		{DateTimer, `{"date": "2024-01-01", "timezone": ""}`, "timezone"},
		{CronTimer, `[]`, "parameters"},
		{CronTimer, `{"minutes": 1}`, "minutes"},
		{CronTimer, `{"minute": 60}`, "from 0 to 59"},
		{CronTimer, `{"minute": "60"}`, "from 0 to 59"},
		{CronTimer, `{"minute": true}`, "neither a text nor an integer"},
		{CronTimer, `{"minute": "*/0"}`, "step"},
		{CronTimer, `{"minute": "*/60"}`, "step"},
		{CronTimer, `{"minute": "5,"}`, "not understood"},
		{CronTimer, `{"minute": ""}`, "not understood"},
		{CronTimer, `{"hour": "10-5"}`, "not be higher"},
		{CronTimer, `{"day_of_week": "monday"}`, "mon, tue"},
		{CronTimer, `{"day_of_week": "mon-fri/2"}`, "numbers only"},
		{CronTimer, `{"day_of_week": "0-fri"}`, "two numbers or two names"},
		{CronTimer, `{"day_of_week": 7}`, "from 0 to 6"},
		{CronTimer, `{"day": "6th fri"}`, "2nd fri"},
		{CronTimer, `{"day": "last friday"}`, "2nd fri"},
		{CronTimer, `{"month": "january"}`, "jan"},
		{CronTimer, `{} {}`, "follows"},
	}
	for _, tt := range tests {
		if _, err := Parse(tt.triggerType, []byte(tt.parameters)); err == nil || !strings.Contains(err.Error(), tt.hint) {
			t.Errorf("Parse(%s, %s) = %v, want an error about %q", tt.triggerType, tt.parameters, err, tt.hint)
		}
	}
}

func moment(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// FuzzCron: whatever is accepted moves forward, by whole seconds, and fits its own fields.
func FuzzCron(f *testing.F) {
	f.Add("*/5", "1-5", "mon", "2nd fri,last", int64(1700000000))
	f.Add("0", "2", "*", "last", int64(1710054000))
	f.Add("30", "1", "0,6", "31", int64(1730610000))
	f.Fuzz(func(t *testing.T, minute, hour, dayOfWeek, day string, from int64) {
		parameters, err := json.Marshal(map[string]string{"minute": minute, "hour": hour, "day_of_week": dayOfWeek, "day": day, "timezone": "America/New_York"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(CronTimer, parameters)
		if err != nil {
			return
		}
		at := time.Unix(from%4e9, 0)
		for range 3 {
			next, ok := s.Next(at)
			if !ok {
				return
			}
			if !next.After(at) || next.Nanosecond() != 0 || next.Second() != 0 {
				t.Fatalf("%s: after %v comes %v", parameters, at, next)
			}
			at = next
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, parameters := range []string{`{"second": "*"}`, `{"hour": 9, "day_of_week": "mon-fri"}`, `{"month": 2, "day": 29, "day_of_week": "mon"}`} {
		b.Run(parameters, func(b *testing.B) {
			s, err := ParseIn(CronTimer, []byte(parameters), time.UTC)
			if err != nil {
				b.Fatal(err)
			}
			from := moment(b, "2024-03-01T10:00:00Z")
			for b.Loop() {
				if _, ok := s.Next(from); !ok {
					b.Fatal("never")
				}
			}
		})
	}
}
