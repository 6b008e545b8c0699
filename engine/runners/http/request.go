package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	nethttp "net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

// request is what the parameters ask for.
type request struct {
	method  string
	url     *url.URL
	headers *value.Dict
	cookies *value.Dict
	body    []byte // nil: none
	// contentType is set unless the headers name one.
	contentType        string
	username, password string
	useBasic           bool
	timeout            time.Duration
	redirects, verify  bool
	proxies            map[string]*url.URL // by scheme
	// proxyAddresses are the host:port that stand for other hosts.
	proxyAddresses sync.Map
	hosts          hostLists
	agent, action  string
	// secrets are texts that no error may show.
	secrets []string
}

func readRequest(job runners.Job, version string) (*request, error) {
	r := &request{agent: "st2/v" + version}
	if job.Action != nil {
		r.action = job.Action.Name
	}
	for _, step := range []func(runners.Job) error{
		r.readURL, r.readOptions, r.readHeaders, r.readProxies, r.readAuth, r.readBody, r.readMethod,
	} {
		if err := step(job); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *request) readURL(job runners.Job) error {
	text, err := runners.TextParam(job.Runner, "url")
	if err != nil {
		return err
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return errors.New("parameter url is missing")
	}
	u, err := url.Parse(text)
	if err != nil {
		// The parser's words may show a piece of a password.
		return errors.New("parameter url is not an address: check its host, port and % escapes")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("parameter url must begin with http:// or https:// and name a host")
	}
	if p, ok := u.User.Password(); ok {
		r.secrets = append(r.secrets, p, url.QueryEscape(p))
	}
	params, _ := job.Params.GetString("params")
	query, err := encodeForm("params", params)
	if err != nil {
		return err
	}
	u.RawQuery = strings.Trim(escapeQuery(u.RawQuery)+"&"+query, "&")
	u.Fragment, u.RawFragment = "", ""
	r.url = u
	return nil
}

func (r *request) readOptions(job runners.Job) (err error) {
	if r.timeout, err = runners.SecondsParam(job.Params, "timeout", DefaultTimeout); err != nil {
		return err
	}
	if r.redirects, err = runners.BoolParam(job.Runner, "allow_redirects", false); err != nil {
		return err
	}
	if r.verify, err = runners.BoolParam(job.Runner, "verify_ssl_cert", true); err != nil {
		return err
	}
	if r.hosts, err = readHostLists(job.Runner); err != nil {
		return err
	}
	return r.hosts.check(r.url)
}

func (r *request) readHeaders(job runners.Job) (err error) {
	if r.headers, err = runners.ObjectParam(job.Runner, "headers"); err != nil {
		return err
	}
	r.cookies, err = runners.ObjectParam(job.Runner, "cookies")
	return err
}

func (r *request) readProxies(job runners.Job) error {
	r.proxies = map[string]*url.URL{}
	for _, scheme := range []string{"http", "https"} {
		name := scheme + "_proxy"
		text, err := runners.TextParam(job.Runner, name)
		if err != nil {
			return err
		}
		if text == "" {
			continue
		}
		if !strings.Contains(text, "://") {
			text = "http://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return fmt.Errorf("parameter %s is not the address of a proxy, such as http://10.10.1.10:3128", name)
		}
		if p, ok := u.User.Password(); ok {
			r.secrets = append(r.secrets, p, url.QueryEscape(p))
		}
		r.proxies[scheme] = u
	}
	return nil
}

// readAuth reads username and password, else auth: two texts for basic
// authentication, or name=value for a header.
func (r *request) readAuth(job runners.Job) (err error) {
	if r.username, err = runners.TextParam(job.Runner, "username"); err != nil {
		return err
	}
	if r.password, err = runners.TextParam(job.Runner, "password"); err != nil {
		return err
	}
	r.secrets = append(r.secrets, r.password)
	if r.useBasic = r.username != "" || r.password != ""; r.useBasic {
		return nil
	}
	auth, _ := job.Params.GetString("auth")
	if auth == nil || !value.Truth(auth) {
		return nil
	}
	var pair []any
	switch auth := auth.(type) {
	case string:
		name, secret, ok := strings.Cut(auth, "=")
		if !ok || strings.TrimSpace(name) == "" {
			return errors.New("parameter auth must be name=value, the header to send")
		}
		r.headers = r.headers.Copy()
		r.headers.SetString(strings.TrimSpace(name), secret)
		r.secrets = append(r.secrets, secret)
		return nil
	case *value.List:
		pair = auth.Items
	case value.Tuple:
		pair = auth
	}
	if len(pair) != 2 {
		return errors.New("parameter auth must be name=value (a header) or a list of user and password")
	}
	r.username, r.password, r.useBasic = value.Str(pair[0]), value.Str(pair[1]), true
	r.secrets = append(r.secrets, r.password)
	return nil
}

func (r *request) readMethod(job runners.Job) error {
	method, err := runners.TextParam(job.Params, "method")
	if err != nil {
		return err
	}
	switch {
	case method != "":
		r.method = strings.ToUpper(method)
	case r.body != nil:
		r.method = nethttp.MethodPost
	default:
		r.method = nethttp.MethodGet
	}
	return nil
}

func (r *request) readBody(job runners.Job) error {
	body, _ := job.Params.GetString("body")
	if text, ok := body.(string); ok && text == "" {
		body = nil
	}
	name, err := runners.TextParam(job.Params, "file_name")
	if err != nil {
		return err
	}
	file, err := runners.TextParam(job.Params, "file_content")
	if err != nil {
		return err
	}
	if name != "" && file != "" {
		contentType, err := runners.TextParam(job.Params, "file_content_type")
		if err != nil {
			return err
		}
		return r.upload(name, file, contentType, body)
	}
	if body == nil {
		return nil
	}
	return r.encodeBody(body)
}

// encodeBody writes a body as JSON when the headers say so, an object else as a
// form, text as it is.
func (r *request) encodeBody(body any) error {
	contentType := headerOf(r.headers, "content-type")
	kind, _, _ := strings.Cut(contentType, ";")
	text, isText := body.(string)
	if isText && contentType != "application/json" {
		r.body = []byte(text)
		return nil
	}
	if strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		if isText {
			var err error
			if body, err = parseLoosely(text); err != nil {
				return errors.New("parameter body is not JSON, but the header Content-Type says application/json")
			}
		}
		data, err := value.AppendJSON(nil, body)
		if err != nil {
			return fmt.Errorf("parameter body cannot be written as JSON: %w", err)
		}
		r.body = data
		return nil
	}
	if _, isObject := body.(*value.Dict); !isObject {
		return fmt.Errorf("parameter body must be a string or an object, not %s, or the header Content-Type must be application/json", value.TypeName(body))
	}
	form, err := encodeForm("body", body)
	if err != nil {
		return err
	}
	r.body, r.contentType = []byte(form), "application/x-www-form-urlencoded"
	return nil
}

// parseLoosely reads JSON or, as StackStorm does, a Python literal.
func parseLoosely(text string) (any, error) {
	if v, err := value.ParseJSON([]byte(text)); err == nil {
		return v, nil
	}
	return value.ParseLiteral(text)
}

// upload makes a form with one file, and the fields of body.
func (r *request) upload(name, file, contentType string, body any) error {
	fields, isObject := body.(*value.Dict)
	if body != nil && !isObject {
		return errors.New("parameter body must be an object (the fields of the form) when a file is sent")
	}
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for k, v := range fields.All() {
		if v == nil {
			continue
		}
		if err := form.WriteField(value.Str(k), value.Str(v)); err != nil {
			return fmt.Errorf("parameter body: %w", err)
		}
	}
	clean := strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22").Replace(name)
	header := textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s"`, clean, clean)}}
	if contentType != "" {
		header.Set("Content-Type", strings.NewReplacer("\r", "", "\n", "").Replace(contentType))
	}
	part, err := form.CreatePart(header)
	if err == nil {
		_, err = part.Write([]byte(file))
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return fmt.Errorf("parameter file_content: %w", err)
	}
	r.headers = r.headers.Copy() // a Content-Type of the action would lack the boundary
	for _, k := range r.headers.Keys() {
		if strings.EqualFold(value.Str(k), "content-type") {
			r.headers.Delete(k)
		}
	}
	r.body, r.contentType = b.Bytes(), form.FormDataContentType()
	return nil
}

// build makes the request that is sent.
func (r *request) build(ctx context.Context) (*nethttp.Request, error) {
	out, err := nethttp.NewRequestWithContext(ctx, r.method, r.url.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.body == nil {
		out.Body, out.GetBody, out.ContentLength = nil, nil, 0
	}
	if r.contentType != "" {
		out.Header.Set("Content-Type", r.contentType)
	}
	if pairs := cookieHeader(r.cookies); pairs != "" {
		out.Header.Set("Cookie", pairs)
	}
	out.Header.Set("User-Agent", r.agent)
	for k, v := range r.headers.All() {
		if v == nil {
			continue
		}
		name := value.Str(k)
		switch {
		case strings.EqualFold(name, "host"):
			out.Host = value.Str(v)
		case strings.EqualFold(name, "accept-encoding") && strings.Contains(value.Str(v), "gzip"):
			// The client asks for it on its own, and then unpacks it.
		default:
			out.Header.Set(name, value.Str(v))
		}
	}
	out.Header.Set("X-Stanley-Action", r.action)
	if r.useBasic {
		out.SetBasicAuth(r.username, r.password)
	}
	return out, nil
}

func cookieHeader(cookies *value.Dict) string {
	var pairs []string
	for k, v := range cookies.All() {
		if v != nil {
			pairs = append(pairs, value.Str(k)+"="+value.Str(v))
		}
	}
	return strings.Join(pairs, "; ")
}

func headerOf(headers *value.Dict, name string) string {
	found := ""
	for k, v := range headers.All() {
		if strings.EqualFold(value.Str(k), name) && v != nil {
			found = value.Str(v)
		}
	}
	return found
}

// encodeForm writes an object as name=value&..., in its order; a list repeats its
// name, null is left out. Text is taken as it is.
func encodeForm(param string, v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return escapeQuery(v), nil
	case *value.Dict:
		var pairs []string
		for k, item := range v.All() {
			items := []any{item}
			if list, ok := item.(*value.List); ok {
				items = list.Items
			}
			for _, it := range items {
				if it != nil {
					pairs = append(pairs, url.QueryEscape(value.Str(k))+"="+url.QueryEscape(value.Str(it)))
				}
			}
		}
		return strings.Join(pairs, "&"), nil
	}
	return "", fmt.Errorf("parameter %s must be an object, not %s", param, value.TypeName(v))
}

// escapeQuery escapes what may not stand in a query and leaves the rest.
func escapeQuery(q string) string {
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func trimFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
