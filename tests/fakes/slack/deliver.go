package slack

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// kinds of deliveries.
const (
	eventsAPI     = "events_api"
	slashCommands = "slash_commands"
	interactive   = "interactive"
)

// event delivers a payload of the Events API. Those of one channel go one after
// the other; Slack itself promises no order. One that is not acknowledged is
// brought again after the RetryDelays. It needs s.mu.
func (s *Server) event(channel string, payload any) {
	deliver := func() { s.bring(payload, 0, "") }
	if s.duplicate > 0 {
		s.duplicate--
		deliver = func() { s.bringTwice(payload) }
	}
	if s.reorder > 0 {
		s.held = append(s.held, deliver)
		if len(s.held) == s.reorder {
			for i := len(s.held) - 1; i >= 0; i-- {
				s.enqueue("held", s.held[i])
			}
			s.reorder, s.held = 0, nil
		}
		return
	}
	s.enqueue(channel, deliver)
}

// enqueue needs s.mu.
func (s *Server) enqueue(channel string, deliver func()) {
	queue, running := s.queues[channel]
	s.queues[channel] = append(queue, deliver)
	if running {
		return
	}
	s.wire.Go(func() {
		for {
			s.mu.Lock()
			queue := s.queues[channel]
			if len(queue) == 0 {
				delete(s.queues, channel)
				s.mu.Unlock()
				return
			}
			s.queues[channel] = queue[1:]
			s.mu.Unlock()
			queue[0]()
		}
	})
}

// bring delivers an event; attempt counts from 0.
func (s *Server) bring(payload any, attempt int, reason string) {
	if _, ok := s.deliver(eventsAPI, payload, attempt, reason, 1); ok || attempt >= len(s.RetryDelays) {
		return
	}
	// Pauses of retries do not hold up what follows.
	s.wire.Go(func() {
		if s.pause(s.RetryDelays[attempt]) && !s.over() {
			s.bring(payload, attempt+1, "timeout")
		}
	})
}

func (s *Server) bringTwice(payload any) {
	if _, ok := s.deliver(eventsAPI, payload, 0, "", 2); !ok {
		s.bring(payload, 1, "timeout")
	}
}

func (s *Server) over() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// deliver brings something to the app, copies times at once, by the way that it
// is connected, and returns the body of the acknowledgement.
func (s *Server) deliver(kind string, payload any, attempt int, reason string, copies int) (json.RawMessage, bool) {
	s.mu.Lock()
	slow, callback := s.slow, s.callback
	s.mu.Unlock()
	if !s.pause(slow) {
		return nil, false
	}
	way := s.overSocket
	if callback != "" {
		way = s.overHTTP
	}
	began := time.Now()
	body, ok := way(kind, payload, attempt, reason, copies)
	took := time.Since(began)
	s.mu.Lock()
	s.acks = append(s.acks, Ack{Kind: kind, Took: took, Acked: ok && took <= s.AckDeadline})
	s.mu.Unlock()
	return body, ok
}

func (s *Server) overSocket(kind string, payload any, attempt int, reason string, copies int) (body json.RawMessage, ok bool) {
	k := s.awaitSocket()
	if k == nil {
		return nil, false
	}
	s.mu.Lock()
	id := s.id("E")
	var others []*socket
	for range copies - 1 {
		others = append(others, s.next())
	}
	s.mu.Unlock()
	frame := map[string]any{"type": kind, "envelope_id": id, "payload": payload, "accepts_response_payload": kind != eventsAPI}
	if attempt > 0 {
		frame["retry_attempt"], frame["retry_reason"] = attempt, reason
	}
	for _, o := range others {
		if o != nil {
			o.send(frame)
		}
	}
	return k.envelope(id, frame, s.AckDeadline)
}

// awaitSocket waits until the app is connected.
func (s *Server) awaitSocket() *socket {
	for {
		s.mu.Lock()
		k := s.next()
		s.mu.Unlock()
		if k != nil {
			return k
		}
		if !s.pause(2 * time.Millisecond) {
			return nil
		}
	}
}

// Post sends a signed request as Slack does; at is when it was signed. It is for
// tests that look at the answers.
func (s *Server) Post(body []byte, contentType string, at time.Time, header map[string]string) (status int, answer []byte, err error) {
	s.mu.Lock()
	callback, secret := s.callback, s.SigningSecret
	s.mu.Unlock()
	req, err := http.NewRequest(http.MethodPost, callback, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	for k, v := range header {
		req.Header.Set(k, v)
	}
	client := http.Client{Timeout: s.AckDeadline}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func (s *Server) overHTTP(kind string, payload any, attempt int, reason string, copies int) (json.RawMessage, bool) {
	raw, err := json.Marshal(payload)
	if err != nil {
		return nil, false
	}
	body, contentType := raw, "application/json"
	switch kind {
	case interactive:
		body, contentType = []byte(url.Values{"payload": {string(raw)}}.Encode()), "application/x-www-form-urlencoded"
	case slashCommands:
		form := url.Values{}
		for k, v := range payload.(map[string]any) {
			form.Set(k, fmt.Sprint(v))
		}
		body, contentType = []byte(form.Encode()), "application/x-www-form-urlencoded"
	}
	header := map[string]string{}
	if attempt > 0 {
		header["X-Slack-Retry-Num"], header["X-Slack-Retry-Reason"] = strconv.Itoa(attempt), reason
	}
	// Retries come in later seconds, however short the RetryDelays.
	at := time.Now().Add(time.Duration(attempt) * time.Second)
	status, answer, err := s.Post(body, contentType, at, header)
	for range copies - 1 {
		// The answer to a copy is nobody's.
		_, _, _ = s.Post(body, contentType, at, header)
	}
	if err != nil || status/100 != 2 {
		return nil, false
	}
	return answer, true
}
