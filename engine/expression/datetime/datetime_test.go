package datetime

import (
	"strings"
	"testing"
	"time"

	"petrel/engine/expression/value"
)

var now = time.Date(2024, 5, 31, 12, 13, 14, 0, time.UTC)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"2024-05-06T07:08:09Z":             "2024-05-06T07:08:09Z",
		"2024-05-06T07:08:09.123456+02:00": "2024-05-06T07:08:09.123456+02:00",
		"2024-05-06 07:08":                 "2024-05-06T07:08:00Z",
		"2024-05-06 07:08:09 -0330":        "2024-05-06T07:08:09-03:30",
		"2015-8-29":                        "2015-08-29T00:00:00Z",
		"2015-8":                           "2015-08-31T00:00:00Z",
		"20240506":                         "2024-05-06T00:00:00Z",
		"20240506T070809Z":                 "2024-05-06T07:08:09Z",
		"20240506070809":                   "2024-05-06T07:08:09Z",
		"06/05/2024":                       "2024-06-05T00:00:00Z",
		"26/05/2024":                       "2024-05-26T00:00:00Z",
		"5/6/24 3 pm":                      "2024-05-06T15:00:00Z",
		"Aug 29 2015 10:00 PM":             "2015-08-29T22:00:00Z",
		"29 August 2015":                   "2015-08-29T00:00:00Z",
		"Thu, 25 Sep 2003 10:49:41 +0300":  "2003-09-25T10:49:41+03:00",
		"Thu Sep 25 10:36:28 2003":         "2003-09-25T10:36:28Z",
		"2003 Sep 25":                      "2003-09-25T00:00:00Z",
		"10:36:28":                         "2024-05-31T10:36:28Z",
		"Sep 25":                           "2024-09-25T00:00:00Z",
		"Sep 2003":                         "2003-09-30T00:00:00Z",
		"12 am 1 Jan 80":                   "1980-01-01T00:00:00Z",
		"25.09.2003":                       "2003-09-25T00:00:00Z",
		"2024-05-06T07:08:09 (a comment)":  "2024-05-06T07:08:09Z",
	} {
		got, err := Parse(text, now)
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("Parse(%q) = %v, %v; want %s", text, got.Format(time.RFC3339Nano), err, want)
		}
	}
	for _, text := range []string{"", "soon", "2024-13-01", "2024-02-30", "25:00", "1 2 3 4", "2024-05-06T07:08:09+99:00", strings.Repeat("1 ", 200), "13:00 pm", "+", "(", "-"} {
		if got, err := Parse(text, now); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, got)
		}
	}
}

func TestFormat(t *testing.T) {
	at := time.Date(2024, 2, 3, 15, 4, 5, 6000, time.FixedZone("", 7200))
	for format, want := range map[string]string{
		"%Y/%m/%d %H:%M:%S.%f": "2024/02/03 15:04:05.000006", "%-d.%-m.%y": "3.2.24", "%a %A %b %B": "Sat Saturday Feb February",
		"%I %p %j %z %Z": "03 PM 034 +0200 UTC+02:00", "%U %W %V %G %u %w": "04 05 05 2024 6 6", "%c": "Sat Feb  3 15:04:05 2024",
		"%F %T %D %R": "2024-02-03 15:04:05 02/03/24 15:04", "100%% %q %": "100% %q %", "%s": "1706965445", "%e|%k|%l|%C|%P": " 3|15| 3|20|pm",
	} {
		if got, err := Format(at, format); err != nil || got != want {
			t.Errorf("Format(%q) = %q, %v; want %q", format, got, err, want)
		}
	}
	if got, _ := Format(time.Date(2024, 1, 1, 0, 0, 0, 0, value.Naive), "%z%Z"); got != "" {
		t.Errorf("a time without a zone has the zone %q", got)
	}
	if _, err := Format(at, strings.Repeat("%c", 9000)); err == nil {
		t.Error("an endless format must fail")
	}
}

func TestParseFormat(t *testing.T) {
	for _, c := range []struct{ text, format, want string }{
		{"03/04/2021 05:06", "%d/%m/%Y %H:%M", "2021-04-03T05:06:00Z"},
		{"Mar 4 21 11 pm", "%b %d %y %I %p", "2021-03-04T23:00:00Z"},
		{"2021-03-04T05:06:07.5+0200", "%Y-%m-%dT%H:%M:%S.%f%z", "2021-03-04T05:06:07.5+02:00"},
		{"2021 060", "%Y %j", "2021-03-01T00:00:00Z"},
		{"Thursday 100%", "%A 100%%", "1900-01-01T00:00:00Z"},
	} {
		got, _, err := ParseFormat(c.text, c.format)
		if err != nil || got.Format(time.RFC3339Nano) != c.want {
			t.Errorf("ParseFormat(%q, %q) = %v, %v; want %s", c.text, c.format, got.Format(time.RFC3339Nano), err, c.want)
		}
	}
	for _, c := range [][2]string{{"2021", "%Y-%m"}, {"2021-99", "%Y-%m"}, {"2021x", "%Y"}, {"", "%z"}, {"2021-02-30", "%Y-%m-%d"}, {"x", "%Q"}} {
		if got, _, err := ParseFormat(c[0], c[1]); err == nil {
			t.Errorf("ParseFormat(%q, %q) = %v, want an error", c[0], c[1], got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("2024-05-06T07:08:09Z", "%Y-%m-%dT%H:%M:%S%z")
	f.Add("Thu, 25 Sep 2003 10:49:41 +0300", "%A %b %j %p %f")
	f.Fuzz(func(t *testing.T, text, format string) {
		if at, err := Parse(text, now); err == nil {
			_, _ = Format(at, format)
		}
		_, _, _ = ParseFormat(text, format)
	})
}
