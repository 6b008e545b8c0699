package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/slack-go/slack"
)

// signatureWindow is how old a signature may be.
const signatureWindow = 5 * time.Minute

// maxRequest is the size of the largest request that is read.
const maxRequest = 1 << 20

// Routes implements adapters.Receiver: one handler for events, slash commands
// and interactivity, whatever the path below it. What a request is its body
// says.
func (a *Adapter) Routes() http.Handler { return http.HandlerFunc(a.receive) }

func (a *Adapter) receive(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Slack posts here", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, "the request cannot be read", http.StatusBadRequest)
		return
	}
	if err := a.verify(r.Header, body); err != nil {
		a.log.Warn("a request was refused", "adapter", a.name, "from", r.RemoteAddr, "error", err)
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	d, challenge, err := readRequest(r.Header, body)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case challenge != "":
		answer(w, map[string]string{"challenge": challenge})
		return
	}
	a.health.frame()
	a.deliver(w, r, d)
}

// deliver waits until a delivery is taken and answers.
func (a *Adapter) deliver(w http.ResponseWriter, r *http.Request, d delivery) {
	signature := r.Header.Get("X-Slack-Signature")
	s := a.awaitSession(r.Context())
	fresh := false
	a.replays.change(signature, func(_ struct{}, known bool) struct{} {
		fresh = !known
		return struct{}{}
	})
	switch {
	case !fresh:
		w.Header().Set("X-Slack-No-Retry", "1")
		http.Error(w, "this very request was taken before", http.StatusUnauthorized)
		return
	case s == nil:
		a.replays.forget(signature)
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	done := make(chan outcome, 1)
	a.take(s, d, func(o outcome) { done <- o })
	o := <-done // bounded by Timing.Handle and by the end of Run
	if !o.taken {
		// Slack may bring it again within the same second, with the same signature.
		a.replays.forget(signature)
		http.Error(w, "not taken, bring it again", http.StatusServiceUnavailable)
		return
	}
	answer(w, o.body)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	s.later(o.after)
}

// startGrace is what a request waits for Run, which may be about to begin.
const startGrace = 2 * time.Second

// awaitSession returns the session of Run, nil when it does not run.
func (a *Adapter) awaitSession(ctx context.Context) *session {
	ctx, cancel := context.WithTimeout(ctx, startGrace)
	defer cancel()
	for {
		if s := a.session.Load(); s != nil || !sleep(ctx, 5*time.Millisecond) {
			return s
		}
	}
}

// answer writes the acknowledgement.
func answer(w http.ResponseWriter, body any) {
	if body == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// When the connection is gone Slack brings the event again.
	_ = json.NewEncoder(w).Encode(body)
}

// verify checks the signature over the raw body and its age.
func (a *Adapter) verify(h http.Header, body []byte) error {
	if a.options.SigningSecret == "" {
		return errors.New("no signing secret is configured, so nothing is taken over HTTP")
	}
	v, err := slack.NewSecretsVerifier(h, a.options.SigningSecret)
	if err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if _, err := v.Write(body); err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	if v.Ensure() != nil {
		return errors.New("the signature is not that of the configured signing secret")
	}
	return nil
}

// readRequest tells what a request is. A challenge is Slack's trial of the URL.
func readRequest(h http.Header, body []byte) (d delivery, challenge string, err error) {
	d.attempt, _ = strconv.Atoi(h.Get("X-Slack-Retry-Num")) // none is the first try
	if len(body) > 0 && body[0] == '{' {
		var c callback
		if err := json.Unmarshal(body, &c); err != nil {
			return d, "", errors.New("the body is no JSON")
		}
		if c.Type == "url_verification" {
			return d, c.Challenge, nil
		}
		d.kind, d.payload = kindEvents, body
		return d, "", nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return d, "", errors.New("the body is no form")
	}
	if p := form.Get("payload"); p != "" {
		d.kind, d.payload = kindInteraction, []byte(p)
		return d, "", nil
	}
	if form.Get("command") == "" {
		return d, "", errors.New("this is neither an event, nor a slash command, nor an interaction")
	}
	fields := make(map[string]string, len(form))
	for name := range form {
		fields[name] = form.Get(name)
	}
	d.kind = kindCommand
	d.payload, err = json.Marshal(fields)
	return d, "", err
}
