// Package webhooks decides whether a request to a webhook is genuine: it knows
// how senders sign, and signs as they do for tests. It knows headers and bodies,
// not what becomes of an event.
package webhooks

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Guard is how the senders of one webhook prove who they are.
type Guard struct {
	Scheme  string   // one of Schemes; "" takes anybody that AllowFrom lets in
	Secrets []string // any of them is good; none is not possible with a Scheme
	User    string   // scheme basic

	// Schemes hmac and header.
	Header, Prefix, Algorithm, Encoding, TimestampHeader string

	Skew           time.Duration // 0 means DefaultSkew
	DeliveryHeader string        // "" means the scheme's own
	AllowFrom      []netip.Prefix
	MaxBody        int64 // bytes; 0 leaves it to the server
}

// DefaultSkew is how far the time in a signature may be from now.
const DefaultSkew = 5 * time.Minute

// Schemes are the ways in which a request can be signed.
var schemes = map[string]scheme{
	"github":       {header: "X-Hub-Signature-256", prefix: "sha256=", delivery: "X-Github-Delivery"},
	"gitlab":       {header: "X-Gitlab-Token", plain: true, delivery: "X-Gitlab-Event-Uuid"},
	"slack":        {header: "X-Slack-Signature", prefix: "v0=", stamp: "X-Slack-Request-Timestamp", signed: "v0:%t:%b"},
	"pagerduty":    {header: "X-Pagerduty-Signature", prefix: "v1=", several: ",", delivery: "X-Webhook-Id"},
	"stripe":       {header: "Stripe-Signature", prefix: "v1=", several: ",", stampPrefix: "t=", signed: "%t.%b"},
	"standard":     {header: "Webhook-Signature", prefix: "v1,", several: " ", stamp: "Webhook-Timestamp", signed: "%i.%t.%b", base64: true, delivery: "Webhook-Id"},
	"alertmanager": {header: "Authorization", prefix: "Bearer ", plain: true},
	"grafana":      {header: "Authorization", prefix: "Bearer ", plain: true},
	"bearer":       {header: "Authorization", prefix: "Bearer ", plain: true},
	"basic":        {header: "Authorization", prefix: "Basic ", plain: true},
	"header":       {plain: true},
	"hmac":         {},
}

// scheme is where a sender puts its proof, and what it proves. In signed %t
// stands for the time, %i for the delivery ID and %b for the body.
type scheme struct {
	header, prefix string
	plain          bool   // the header holds the secret itself
	several        string // what separates several signatures in the header
	stamp          string // header with the time of sending, in seconds
	stampPrefix    string // the time is in the signature's header, with this before it
	signed         string // "" means "%b", or "%t.%b" with a time
	base64         bool
	hash           func() hash.Hash
	delivery       string
}

// Denied says why a request is not taken. It never tells what would be right.
type Denied struct {
	Status int // of HTTP: 401, or 403 for an address that may not call
	Reason string
}

func (d *Denied) Error() string { return d.Reason }

func denied(format string, args ...any) error {
	return &Denied{Status: http.StatusUnauthorized, Reason: fmt.Sprintf(format, args...)}
}

// CheckAddress refuses callers from addresses that may not call.
func (g *Guard) CheckAddress(remote string) error {
	if len(g.AllowFrom) == 0 {
		return nil
	}
	from, err := netip.ParseAddrPort(remote)
	if err == nil {
		for _, network := range g.AllowFrom {
			if network.Contains(from.Addr().Unmap()) {
				return nil
			}
		}
	}
	return &Denied{Status: http.StatusForbidden, Reason: "this address may not call this webhook"}
}

// Check decides over a request with this header and raw body, and returns an ID
// that repeats when the same delivery comes again: the sender's own, else, for
// signatures with a time, the signature. It is "" when there is none.
func (g *Guard) Check(header http.Header, body []byte, now time.Time) (delivery string, err error) {
	if g.Scheme == "" {
		return header.Get(g.DeliveryHeader), nil
	}
	s, err := g.scheme()
	if err != nil {
		return "", err
	}
	given := header.Get(s.header)
	if given == "" {
		return "", denied("the header %s is missing", s.header)
	}
	if s.plain {
		if !g.knows(strings.TrimPrefix(given, s.prefix)) {
			return "", denied("the header %s does not hold what this webhook expects", s.header)
		}
		return header.Get(s.delivery), nil
	}
	stamp, err := g.checkTime(s, header, given, now)
	if err != nil {
		return "", err
	}
	message := s.message(stamp, header.Get(s.delivery), body)
	for _, candidate := range s.signatures(given) {
		for _, secret := range g.Secrets {
			if hmac.Equal([]byte(candidate), []byte(s.sign(secret, message))) {
				if id := header.Get(s.delivery); id != "" || stamp == "" {
					return id, nil
				}
				return candidate, nil
			}
		}
	}
	return "", denied("the signature in %s does not fit", s.header)
}

// SecretHeader is the header that holds the proof, in canonical form, "" when
// there is none.
func (g *Guard) SecretHeader() string {
	s, err := g.scheme()
	if err != nil {
		return ""
	}
	return http.CanonicalHeaderKey(s.header)
}

// Sign puts into header what a sender would.
func (g *Guard) Sign(header http.Header, body []byte, delivery string, now time.Time) error {
	s, err := g.scheme()
	if err != nil {
		return err
	}
	if len(g.Secrets) == 0 {
		return errors.New("there is no secret to sign with")
	}
	secret := g.Secrets[0]
	if s.delivery != "" && delivery != "" {
		header.Set(s.delivery, delivery)
	}
	if s.plain {
		if g.Scheme == "basic" {
			secret = base64.StdEncoding.EncodeToString([]byte(g.User + ":" + secret))
		}
		header.Set(s.header, s.prefix+secret)
		return nil
	}
	stamp := ""
	if s.timed() {
		stamp = strconv.FormatInt(now.Unix(), 10)
	}
	signature := s.prefix + s.sign(secret, s.message(stamp, delivery, body))
	if s.stamp != "" {
		header.Set(s.stamp, stamp)
	}
	if s.stampPrefix != "" {
		signature = s.stampPrefix + stamp + s.several + signature
	}
	header.Set(s.header, signature)
	return nil
}

// scheme returns the scheme with what the guard says in place of its defaults.
func (g *Guard) scheme() (scheme, error) {
	s, ok := schemes[g.Scheme]
	if !ok {
		return s, fmt.Errorf("there is no webhook scheme %q", g.Scheme)
	}
	s.hash = sha256.New
	if g.Scheme == "hmac" || g.Scheme == "header" {
		s.header, s.prefix, s.stamp, s.base64 = g.Header, g.Prefix, g.TimestampHeader, g.Encoding == "base64"
		switch g.Algorithm {
		case "sha1":
			s.hash = sha1.New
		case "sha512":
			s.hash = sha512.New
		}
	}
	if g.DeliveryHeader != "" {
		s.delivery = g.DeliveryHeader
	}
	if s.signed == "" {
		s.signed = "%b"
		if s.timed() {
			s.signed = "%t.%b"
		}
	}
	return s, nil
}

func (s scheme) timed() bool { return s.stamp != "" || s.stampPrefix != "" }

// knows compares a token or a password with the guard's secrets, in constant
// time.
func (g *Guard) knows(given string) bool {
	good := 0
	for _, secret := range g.Secrets {
		if g.Scheme == "basic" {
			secret = base64.StdEncoding.EncodeToString([]byte(g.User + ":" + secret))
		}
		a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(secret))
		good |= subtle.ConstantTimeCompare(a[:], b[:])
	}
	return good == 1
}

// checkTime returns the time of sending as it was written, and refuses one that
// is too far from now.
func (g *Guard) checkTime(s scheme, header http.Header, given string, now time.Time) (string, error) {
	stamp := header.Get(s.stamp)
	if s.stampPrefix != "" {
		for _, part := range strings.Split(given, s.several) {
			if t, ok := strings.CutPrefix(strings.TrimSpace(part), s.stampPrefix); ok {
				stamp = t
			}
		}
	}
	if !s.timed() {
		return "", nil
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return "", denied("the time of sending is missing or no number of seconds")
	}
	skew := g.Skew
	if skew == 0 {
		skew = DefaultSkew
	}
	if age := now.Sub(time.Unix(seconds, 0)); age.Abs() > skew {
		return "", denied("the request was signed %s from now; at most %s is accepted", age.Round(time.Second), skew)
	}
	return stamp, nil
}

func (s scheme) message(stamp, delivery string, body []byte) string {
	return strings.NewReplacer("%t", stamp, "%i", delivery, "%b", string(body)).Replace(s.signed)
}

func (s scheme) sign(secret, message string) string {
	key := []byte(secret)
	if s.base64 { // the standard writes its keys in base64
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")); err == nil && strings.HasPrefix(secret, "whsec_") {
			key = raw
		}
	}
	mac := hmac.New(s.hash, key)
	mac.Write([]byte(message))
	if s.base64 {
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// signatures are the candidates in a header, without what stands before them.
func (s scheme) signatures(given string) []string {
	parts := []string{given}
	if s.several != "" {
		parts = strings.Split(given, s.several)
	}
	var found []string
	for _, p := range parts {
		if signature, ok := strings.CutPrefix(strings.TrimSpace(p), s.prefix); ok {
			if !s.base64 {
				signature = strings.ToLower(signature)
			}
			found = append(found, signature)
		}
	}
	return found
}
