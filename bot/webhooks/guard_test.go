package webhooks

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var at = time.Unix(1_700_000_000, 0)

// guards is a guard of every scheme.
func guards() map[string]Guard {
	all := map[string]Guard{}
	for name := range schemes {
		g := Guard{Scheme: name, Secrets: []string{"new secret", "old secret"}, User: "ann"}
		switch name {
		case "hmac":
			g.Header, g.Prefix, g.Algorithm, g.Encoding, g.TimestampHeader = "X-Signature", "sig:", "sha512", "base64", "X-Time"
		case "header":
			g.Header = "X-Secret"
		}
		all[name] = g
	}
	return all
}

func TestEveryScheme(t *testing.T) {
	body := []byte(`{"action":"opened","n":%b}`)
	for name, g := range guards() {
		signed := func(secret string, body []byte, when time.Time) http.Header {
			sender := g
			sender.Secrets = []string{secret}
			h := http.Header{}
			if err := sender.Sign(h, body, "delivery-1", when); err != nil {
				t.Fatal(err)
			}
			return h
		}
		s, err := g.scheme()
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			what string
			head http.Header
			body string
			good bool
		}{
			{"right", signed("new secret", body, at), string(body), true},
			{"right, with the secret before", signed("old secret", body, at), string(body), true},
			{"a little early", signed("new secret", body, at.Add(time.Minute)), string(body), true},
			{"wrong secret", signed("guessed", body, at), string(body), false},
			{"no header", http.Header{}, string(body), false},
			{"another body", signed("new secret", body, at), string(body) + " ", s.plain},
			{"stale", signed("new secret", body, at.Add(-6*time.Minute)), string(body), !s.timed()},
			{"from the future", signed("new secret", body, at.Add(6*time.Minute)), string(body), !s.timed()},
		} {
			id, err := g.Check(tt.head, []byte(tt.body), at)
			var why *Denied
			switch {
			case tt.good && err != nil:
				t.Errorf("%s, %s: %v", name, tt.what, err)
			case !tt.good && !errors.As(err, &why):
				t.Errorf("%s, %s: taken, %v", name, tt.what, err)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("%s, %s: the refusal says too much: %v", name, tt.what, err)
			}
			if tt.what == "right" && (s.delivery != "" || s.timed()) && id == "" {
				t.Errorf("%s: a delivery has no ID", name)
			}
		}
	}
}

// Signatures as their senders document them.
func TestKnownSignatures(t *testing.T) {
	for name, tt := range map[string]struct {
		guard Guard
		head  map[string]string
		body  string
		at    int64
	}{
		"github": {
			Guard{Scheme: "github", Secrets: []string{"It's a Secret to Everybody"}},
			map[string]string{"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}, "Hello, World!", 0,
		},
		"slack": {
			Guard{Scheme: "slack", Secrets: []string{"8f742231b10e8888abcd99yyyzzz85a5"}},
			map[string]string{"X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", "X-Slack-Request-Timestamp": "1531420618"},
			"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
			1531420618,
		},
		"standard": {
			Guard{Scheme: "standard", Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
			map[string]string{"Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "Webhook-Timestamp": "1614265330", "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
			`{"test": 2432232314}`, 1614265330,
		},
	} {
		h := http.Header{}
		for k, v := range tt.head {
			h.Set(k, v)
		}
		if _, err := tt.guard.Check(h, []byte(tt.body), time.Unix(tt.at, 0)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSeveralSignatures(t *testing.T) {
	g := Guard{Scheme: "pagerduty", Secrets: []string{"s"}}
	h := http.Header{}
	if err := g.Sign(h, []byte("x"), "", at); err != nil {
		t.Fatal(err)
	}
	h.Set("X-Pagerduty-Signature", "v1=0000, "+h.Get("X-Pagerduty-Signature"))
	if _, err := g.Check(h, []byte("x"), at); err != nil {
		t.Error(err)
	}
}

// A request that is sent again word for word has the same ID, so that it counts
// once.
func TestReplayHasTheSameID(t *testing.T) {
	for _, name := range []string{"slack", "stripe"} {
		g := Guard{Scheme: name, Secrets: []string{"s"}}
		h, later := http.Header{}, http.Header{}
		if err := errors.Join(g.Sign(h, []byte("x"), "", at), g.Sign(later, []byte("x"), "", at.Add(time.Second))); err != nil {
			t.Fatal(err)
		}
		first, _ := g.Check(h, []byte("x"), at)
		again, _ := g.Check(h, []byte("x"), at.Add(time.Minute))
		other, _ := g.Check(later, []byte("x"), at.Add(time.Minute))
		if first == "" || first != again || other == first {
			t.Errorf("%s: IDs are %q, again %q, of another request %q", name, first, again, other)
		}
	}
}

func TestAddresses(t *testing.T) {
	g := Guard{AllowFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::1/128")}}
	for remote, good := range map[string]bool{
		"192.0.2.7:99": true, "[::1]:99": true, "[::ffff:192.0.2.9]:1": true, "198.51.100.1:99": false, "": false, "nonsense": false,
	} {
		if err := g.CheckAddress(remote); (err == nil) != good {
			t.Errorf("%s: %v", remote, err)
		}
	}
}
