package mattermost_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"petrel/adapters"
	"petrel/adapters/mattermost"
	fake "petrel/tests/fakes/mattermost"
)

// BenchmarkAck measures how long a slash command waits for its answer beside
// what the handler takes.
func BenchmarkAck(b *testing.B) {
	s, err := fake.New(fake.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	a, err := mattermost.New(mattermost.Options{URL: s.URL(), Token: s.Token(), CommandTokens: []string{"secret"}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	heard := make(chan struct{}, 1)
	go func() { done <- a.Run(ctx, taker(func(e adapters.Event) { heard <- struct{}{} })) }()
	defer func() { cancel(); <-done }()
	if _, err := s.Say("ann", "#ops", "", "hello"); err != nil {
		b.Fatal(err)
	}
	<-heard
	form := url.Values{"token": {"secret"}, "command": {"/petrel"}, "text": {"run date"}, "user_id": {s.Person("ann").ID}, "channel_id": {s.Channel("#ops").ID}, "trigger_id": {"t"}}.Encode()
	routes := a.Routes()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/command", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, r)
		<-heard
		if w.Code != http.StatusOK {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
}

type taker func(adapters.Event)

func (t taker) Handle(_ context.Context, e adapters.Event) (adapters.Answer, error) {
	t(e)
	return adapters.Answer{Disposition: adapters.Accepted}, nil
}
