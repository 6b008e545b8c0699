// Package http is the http-request runner: one HTTP request and its response.
package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"net/url"
	"strings"
	"time"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/engine/runners/output"
)

const (
	// DefaultTimeout is that of StackStorm's http-request.
	DefaultTimeout = 60 * time.Second
	// DefaultResponseLimit is how large a body may be, unpacked.
	DefaultResponseLimit = 64 << 20

	maxRedirects = 30
	dialTimeout  = 30 * time.Second
)

// Options adjust the runner. The zero value is ready for use.
type Options struct {
	// Version is told to servers: User-Agent st2/v<Version>.
	Version string
	// ResponseLimit is how many bytes a body may have.
	ResponseLimit int64
}

// Runner is the http-request runner.
type Runner struct{ options Options }

var _ runners.Runner = (*Runner)(nil)

// New returns the http-request runner.
func New(o Options) *Runner {
	if o.ResponseLimit <= 0 {
		o.ResponseLimit = DefaultResponseLimit
	}
	return &Runner{o}
}

// Spec describes the runner.
func (*Runner) Spec() engine.Runner {
	return engine.Runner{
		Name:        "http-request",
		Description: "Sends an HTTP request.",
		Enabled:     true,
		OutputKey:   "body",
		Parameters: []byte(`{
"url":{"type":"string","required":true,"description":"Address, with http:// or https://."},
"headers":{"type":"object","description":"Headers of the request."},
"cookies":{"type":"object","description":"Cookies to send, name to value."},
"username":{"type":"string","description":"User for basic authentication."},
"password":{"type":"string","secret":true,"description":"Password for basic authentication."},
"http_proxy":{"type":"string","description":"Proxy for http addresses, such as http://10.10.1.10:3128."},
"https_proxy":{"type":"string","description":"Proxy for https addresses."},
"allow_redirects":{"type":"boolean","default":false,"description":"Follow redirects."},
"verify_ssl_cert":{"type":"boolean","default":true,"description":"Check the server's certificate."},
"url_hosts_blacklist":{"type":"array","items":{"type":"string"},"required":false,"description":"Hosts that may not be asked, also not by redirect."},
"url_hosts_whitelist":{"type":"array","items":{"type":"string"},"required":false,"description":"The only hosts that may be asked, also by redirect."}}`),
	}
}

// Run sends the request. Method, body, params, auth, timeout and the file are
// parameters of the action, the rest those of the runner.
func (r *Runner) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	req, err := readRequest(job, r.options.Version)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, req.timeout, errTimeout)
	defer cancel()
	client, err := req.client()
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	defer client.CloseIdleConnections()
	out, err := r.exchange(ctx, client, req)
	if err == nil {
		return out, nil
	}
	return failed(context.Cause(ctx), err, req), nil
}

// errTimeout is the cause with which the runner itself ends a request.
var errTimeout = errors.New("timeout")

func (r *Runner) exchange(ctx context.Context, client *nethttp.Client, req *request) (runners.Outcome, error) {
	out, err := req.build(ctx)
	if err != nil {
		return runners.Outcome{}, err
	}
	resp, err := client.Do(out)
	if err != nil {
		return runners.Outcome{}, err
	}
	defer resp.Body.Close()
	return readResponse(resp, r.options.ResponseLimit)
}

// failed is the outcome of a request without a response.
func failed(cause, err error, req *request) runners.Outcome {
	status, message := engine.Failed, ""
	var net net.Error
	switch {
	case errors.Is(cause, runners.ErrCanceled):
		status, message = engine.Canceled, "the execution was canceled"
	case errors.Is(cause, runners.ErrShutdown):
		status, message = engine.Abandoned, "the program stopped while the request ran"
	case errors.Is(cause, errTimeout):
		status, message = engine.TimedOut, fmt.Sprintf("%s: no complete answer within %s seconds", req, trimFloat(req.timeout.Seconds()))
	case errors.As(err, &net) && net.Timeout():
		status, message = engine.TimedOut, fmt.Sprintf("%s: %s", req, req.scrub(err))
	default:
		message = fmt.Sprintf("%s: %s", req, req.scrub(err))
	}
	return runners.Outcome{Status: status, Result: append(append([]byte(`{"error":`), output.String(message)...), '}')}
}

// String names the request for errors, without what may be secret: the query
// and the user in the URL.
func (r *request) String() string {
	return r.method + " " + r.url.Scheme + "://" + r.url.Host + r.url.EscapedPath()
}

// scrub is the text of an error without secrets. The URLs that net/http puts
// in front of its errors, with their queries, are dropped.
func (r *request) scrub(err error) string {
	var outer *url.Error
	for errors.As(err, &outer) {
		err = outer.Err
	}
	text := err.Error()
	for _, secret := range r.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "********")
		}
	}
	return text
}
