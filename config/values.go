package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time, written as 10s, 1m30s, 250ms.
type Duration time.Duration

func (d Duration) String() string {
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

const day = Duration(24 * time.Hour)

// maxDays is the longest time in days that a Duration holds.
const maxDays = int64(1<<63-1) / int64(day)

func parseDuration(s string) (Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 64); err == nil && n >= 0 && n <= maxDays {
			return Duration(n) * day, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration; write for example 10s, 5m, 1h30m or 30d", s)
	}
	return Duration(d), nil
}

// Size is a number of bytes, written as a whole number or with a unit: 1MiB,
// 64KiB, 10MB. KiB, MiB and GiB are powers of 1024; kB, MB and GB of 1000.
type Size int64

var sizeUnits = [...]struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1}, {"", 1}}

func (s Size) String() string {
	for _, u := range sizeUnits {
		if int64(s) >= u.bytes && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func parseSize(text string) (Size, error) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.bytes {
			break
		}
		return Size(n * u.bytes), nil
	}
	return 0, fmt.Errorf("%q is not a size; write for example 1MiB, 64KiB or a number of bytes", text)
}

// URL is an address whose password must not be shown: String masks it, Reveal
// returns the whole.
type URL string

// Reveal returns the address with its password.
func (u URL) Reveal() string { return string(u) }

// String returns the address with its password masked.
func (u URL) String() string {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return "a malformed URL"
	}
	if _, secret := parsed.User.Password(); !secret {
		return string(u)
	}
	return parsed.Redacted()
}

// LogValue masks the password in logs.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Secret is text that must not be shown: every way of printing it gives
// ********. Reveal returns the text itself.
type Secret string

const mask = "********"

// Reveal returns the secret.
func (s Secret) Reveal() string { return string(s) }

// String returns the mask, or nothing when no secret is set.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString masks %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalJSON masks the secret in JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML masks the secret in YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue masks the secret in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
