package config

import (
	"net/netip"
	"strings"
)

// Webhook is how the senders of one webhook prove who they are.
type Webhook struct {
	URL             string   `yaml:"url" doc:"The webhook: the url of the rules' trigger, without /api/v1/webhooks/. A request to it needs no token of this program then."`
	Scheme          string   `yaml:"scheme" enum:",github,gitlab,slack,pagerduty,stripe,standard,alertmanager,grafana,bearer,basic,header,hmac" doc:"How the sender proves that the request is genuine; see docs/webhooks.md."`
	Secret          Secret   `yaml:"secret" doc:"What the sender knows: the key of the signature, the token, or the password."`
	PreviousSecret  Secret   `yaml:"previous_secret" doc:"A secret that is accepted too, while senders change to the new one."`
	User            string   `yaml:"user" doc:"Scheme basic: the user's name."`
	Header          string   `yaml:"header" doc:"Schemes hmac and header: the header that carries the signature or the token."`
	Prefix          string   `yaml:"prefix" doc:"Scheme hmac: what stands before the signature, such as 'sha256='."`
	Algorithm       string   `yaml:"algorithm" enum:",sha1,sha256,sha512" doc:"Scheme hmac: the hash; empty means sha256."`
	Encoding        string   `yaml:"encoding" enum:",hex,base64" doc:"Scheme hmac: how the signature is written; empty means hex."`
	TimestampHeader string   `yaml:"timestamp_header" doc:"Scheme hmac: the header with the time of sending in seconds; what is signed is then the time, a dot, and the body."`
	Skew            Duration `yaml:"skew" doc:"How far the time of sending may be from now, and for how long a request is not taken again; 0s means 5m."`
	DeliveryHeader  string   `yaml:"delivery_header" doc:"The header with the sender's own ID of the delivery; of two requests with the same one only the first counts. Empty means that of the scheme."`
	AllowFrom       []string `yaml:"allow_from" doc:"Addresses and networks that may call, such as 192.0.2.0/24. Empty means any."`
	MaxBody         Size     `yaml:"max_body" doc:"Largest body that is accepted; 0 means http.max_body."`
}

// validate checks what the types alone do not say.
func (w *Webhook) validate(report func(key, format string, args ...any)) {
	if strings.Trim(w.URL, "/") == "" {
		report("url", "is missing: the webhook that this is about, such as alertmanager")
	}
	switch {
	case w.Scheme == "" && len(w.AllowFrom) == 0:
		report("scheme", "is missing; write for example github or bearer")
	case w.Scheme != "" && w.Secret == "":
		report("secret", "is missing: what the sender proves itself with")
	}
	if (w.Scheme == "hmac" || w.Scheme == "header") && w.Header == "" {
		report("header", "is missing: scheme %s needs the name of the header to look at", w.Scheme)
	}
	if w.Scheme == "basic" && w.User == "" {
		report("user", "is missing: scheme basic needs a user and a secret")
	}
	for _, a := range w.AllowFrom {
		if _, err := Network(a); err != nil {
			report("allow_from", "%q is neither an address nor a network such as 192.0.2.0/24", a)
		}
	}
}

// Network reads an address or a network.
func Network(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}
