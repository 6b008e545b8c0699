package slack

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"petrel/adapters"
)

// The examination of a callback calls it as Slack does.
func TestTryCallback(t *testing.T) {
	make := func(secret string) *Adapter {
		a, err := New(Options{BotToken: "xoxb-1", SigningSecret: secret, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	ours := httptest.NewServer(http.StripPrefix("/chat/slack", make("secret").Routes()))
	defer ours.Close()
	theirs := httptest.NewServer(http.NotFoundHandler())
	defer theirs.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, tt := range []struct {
		name, address, secret string
		want                  adapters.Severity
		words                 string
	}{
		{"ours", ours.URL, "secret", adapters.OK, "answers signed requests"},
		{"another secret", ours.URL, "other", adapters.Warning, "401"},
		{"another program", theirs.URL, "secret", adapters.Warning, "404"},
		{"nobody", gone.URL, "secret", adapters.Warning, "refused"},
	} {
		f := make(tt.secret).tryCallback(t.Context(), tt.address+"/chat/slack/events")
		if f.Severity != tt.want || !strings.Contains(f.Text, tt.words) {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
}
