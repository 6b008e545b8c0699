package slack_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"petrel/adapters/adaptertest"
)

// quiet logs to the test.
func quiet(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// serve serves a handler until the test ends.
func serve(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// seen is a message as a person sees it.
type seen = adaptertest.Seen
