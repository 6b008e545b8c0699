package winrm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/Azure/go-ntlmssp"
	"github.com/masterzen/winrm"
	"github.com/masterzen/winrm/soap"

	"petrel/engine/expression/value"
)

// run opens a shell on the machine, runs a command in it, and closes it again.
// When ctx ends first, the command is ended there.
func (o Options) run(ctx context.Context, t target, c command, stdout, stderr io.Writer) (code int, err error) {
	s, err := o.open(ctx, t)
	if err != nil {
		return 0, err
	}
	defer func() {
		if closeErr := s.close(o.Grace); err == nil && ctx.Err() == nil && closeErr != nil {
			err = closeErr
		}
	}()
	line := c.text
	if c.powerShell {
		if line = encoded(c.text); len(line) > maxLine {
			return s.upload(ctx, c.text, stdout, stderr)
		}
	}
	return s.execute(ctx, line, stdout, stderr)
}

// session is one shell on a machine. It implements winrm.Transporter.
type session struct {
	target
	url    string
	client *winrm.Client
	shell  *winrm.Shell
	http   *http.Client
	grace  time.Duration

	mu  sync.Mutex
	ctx context.Context // of requests
}

func (o Options) open(ctx context.Context, t target) (*session, error) {
	s := &session{target: t, ctx: ctx, grace: o.Grace}
	// The other side answers, at the latest, when the operation timeout is over.
	var transport http.RoundTripper = &http.Transport{
		TLSClientConfig:       &tls.Config{InsecureSkipVerify: t.insecure}, //nolint:gosec // the action says so
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		ResponseHeaderTimeout: o.operationTimeout + 30*time.Second,
	}
	if t.ntlm {
		transport = ntlmssp.Negotiator{RoundTripper: transport}
	}
	s.http = &http.Client{Transport: transport}
	scheme := "http"
	if t.https {
		scheme = "https"
	}
	s.url = fmt.Sprintf("%s://%s/wsman", scheme, net.JoinHostPort(t.host, strconv.Itoa(t.port)))
	params := winrm.NewParameters(fmt.Sprintf("PT%dS", int(max(o.operationTimeout.Seconds(), 1))), "en-US", 153600)
	params.TransportDecorator = func() winrm.Transporter { return s }
	var err error
	host := t.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if s.client, err = winrm.NewClientWithParameters(winrm.NewEndpoint(host, t.port, t.https, t.insecure, nil, nil, nil, 0), t.username, t.password, params); err != nil {
		return nil, err
	}
	id, err := s.openShell(params)
	if err != nil {
		return nil, fmt.Errorf("no shell could be opened on %s: %w", t.host, err)
	}
	s.shell = s.client.NewShell(id)
	return s, nil
}

// openShell asks for a shell with the folder and the environment of the action.
func (s *session) openShell(params *winrm.Parameters) (string, error) {
	request := winrm.NewOpenShellRequest(s.url, params)
	defer request.Free()
	message := request.String()
	var more strings.Builder
	if s.cwd != "" {
		more.WriteString("<rsp:WorkingDirectory>" + escape(s.cwd) + "</rsp:WorkingDirectory>")
	}
	if s.env.Len() > 0 {
		more.WriteString("<rsp:Environment>")
		for k, v := range s.env.All() {
			more.WriteString(`<rsp:Variable Name="` + escape(value.Str(k)) + `">` + escape(value.Str(v)) + "</rsp:Variable>")
		}
		more.WriteString("</rsp:Environment>")
	}
	if at := strings.Index(message, "<rsp:InputStreams"); at >= 0 {
		message = message[:at] + more.String() + message[at:]
	} else if more.Len() > 0 {
		return "", errors.New("the request for a shell has no place for cwd and env")
	}
	answer, err := s.post(message)
	if err != nil {
		return "", err
	}
	return winrm.ParseOpenShellResponse(answer)
}

// Transport implements winrm.Transporter.
func (s *session) Transport(*winrm.Endpoint) error { return nil }

// Post implements winrm.Transporter.
func (s *session) Post(_ *winrm.Client, request *soap.SoapMessage) (string, error) {
	return s.post(request.String())
}

// maxAnswer bounds one answer, in bytes; WinRM sends output in small pieces.
const maxAnswer = 16 << 20

// post sends one message.
func (s *session) post(message string) (string, error) {
	s.mu.Lock()
	ctx := s.ctx
	s.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(message))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/soap+xml;charset=UTF-8")
	req.SetBasicAuth(s.username, s.password) // the negotiator takes it from here
	resp, err := s.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return "", err
	case resp.StatusCode == http.StatusUnauthorized:
		return "", fmt.Errorf("%s refuses the account %s, or this way of proving it (transport)", s.host, s.username)
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s answers %s: %s", s.host, resp.Status, fault(string(body)))
	}
	return string(body), nil
}

// fault is what a SOAP fault says; the library looks for OperationTimeout in it.
func fault(body string) string {
	if strings.Contains(body, "2150858793") { // WSMAN_FAULT: nothing was printed in time
		return "OperationTimeout"
	}
	for _, tag := range []string{"<s:Text", "<f:Message"} {
		_, rest, found := strings.Cut(body, tag)
		if !found {
			continue
		}
		if _, rest, found = strings.Cut(rest, ">"); found {
			text, _, _ := strings.Cut(rest, "<")
			return strings.TrimSpace(text)
		}
	}
	return strings.TrimSpace(body[:min(len(body), 500)])
}

// execute runs a command line to its end.
func (s *session) execute(ctx context.Context, line string, stdout, stderr io.Writer) (int, error) {
	cmd, err := s.shell.Execute(strings.ReplaceAll(line, "]]>", "]]]]><![CDATA[>"))
	if err != nil {
		return 0, fmt.Errorf("the command could not be started on %s: %w", s.host, err)
	}
	var copying sync.WaitGroup
	var failed [2]error
	copying.Go(func() { _, failed[0] = io.Copy(stdout, cmd.Stdout) })
	copying.Go(func() { _, failed[1] = io.Copy(stderr, cmd.Stderr) })
	cmd.Wait()
	copying.Wait()
	if ctx.Err() != nil {
		// The requests so far were canceled; those that end it get a time of their own.
		defer s.until(s.grace)()
		_ = cmd.Close() // a machine that does not answer ends it when the shell is gone
		return 0, context.Cause(ctx)
	}
	if err := errors.Join(failed[:]...); err != nil {
		return 0, fmt.Errorf("the connection to %s broke while the command ran: %w", s.host, err)
	}
	return cmd.ExitCode(), nil
}

// until gives the requests from now on a limit of their own.
func (s *session) until(limit time.Duration) context.CancelFunc {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	return cancel
}

// close ends the shell, and with it what still runs in it.
func (s *session) close(limit time.Duration) error {
	defer s.http.CloseIdleConnections()
	defer s.until(limit)()
	if err := s.shell.Close(); err != nil {
		return fmt.Errorf("the shell on %s could not be closed: %w", s.host, err)
	}
	return nil
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escape(text string) string { return escaper.Replace(text) }
