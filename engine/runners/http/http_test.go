package http

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

// echo answers with what it was asked, as JSON.
func echo(w nethttp.ResponseWriter, r *nethttp.Request) {
	body, _ := io.ReadAll(r.Body)
	header := map[string]string{}
	for k, v := range r.Header {
		header[k] = strings.Join(v, ", ")
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "uri": r.RequestURI, "host": r.Host, "header": header, "body": string(body), "length": r.ContentLength,
	})
}

type asked struct {
	Method, URI, Host, Body string
	Header                  map[string]string
	Length                  int64
}

type shown struct {
	StatusCode int               `json:"status_code"`
	Body       json.RawMessage   `json:"body"`
	Parsed     bool              `json:"parsed"`
	Headers    map[string]string `json:"headers"`
	Error      string            `json:"error"`
}

func job(runner, action *value.Dict) runners.Job {
	return runners.Job{
		Execution: &engine.Execution{ID: "000000000000000000000001"},
		Action:    &engine.Action{Ref: "core.http", Name: "http"},
		Runner:    runner, Params: action,
		Output: func(runners.Stream, []byte) {},
	}
}

func send(t *testing.T, ctx context.Context, runner, action *value.Dict) (engine.Status, shown) {
	t.Helper()
	out, err := New(Options{Version: "1.2.3", ResponseLimit: 1 << 20}).Run(ctx, job(runner, action))
	if err != nil {
		t.Fatal(err)
	}
	var s shown
	if err := json.Unmarshal(out.Result, &s); err != nil {
		t.Fatalf("%s: %v", out.Result, err)
	}
	return out.Status, s
}

func TestRequests(t *testing.T) {
	srv := httptest.NewServer(nethttp.HandlerFunc(echo))
	defer srv.Close()
	d := value.DictOf
	for _, c := range []struct {
		name           string
		runner, action *value.Dict
		path           string
		want           asked
		headers        map[string]string
	}{
		{name: "get", want: asked{Method: "GET", URI: "/"},
			headers: map[string]string{"User-Agent": "st2/v1.2.3", "X-Stanley-Action": "http"}},
		{name: "params", path: "/a b?x=1 2#part", action: d("params", d("q", "a&b c", "n", int64(3), "l", value.NewList("1", "2"), "none", nil)),
			want: asked{Method: "GET", URI: "/a%20b?x=1%202&q=a%26b+c&n=3&l=1&l=2"}},
		{name: "text", action: d("body", "grüße"), want: asked{Method: "POST", URI: "/", Body: "grüße", Length: 7}},
		{name: "method", action: d("method", "put", "body", "x"), want: asked{Method: "PUT", URI: "/", Body: "x", Length: 1}},
		{name: "empty body", action: d("body", ""), want: asked{Method: "GET", URI: "/"}},
		{name: "json text", runner: d("headers", d("content-type", "application/json")), action: d("body", `{"b": 1, "a": [true]}`),
			want: asked{Method: "POST", URI: "/", Body: `{"b":1,"a":[true]}`, Length: 18}, headers: map[string]string{"Content-Type": "application/json"}},
		{name: "python text", runner: d("headers", d("Content-Type", "application/json")), action: d("body", `{'a': True, 'b': None}`),
			want: asked{Method: "POST", URI: "/", Body: `{"a":true,"b":null}`, Length: 19}},
		{name: "json object", runner: d("headers", d("Content-Type", "application/json; charset=utf-8")), action: d("body", d("a", int64(1))),
			want: asked{Method: "POST", URI: "/", Body: `{"a":1}`, Length: 7}},
		{name: "form", action: d("body", d("a", "x y", "b", int64(2))),
			want: asked{Method: "POST", URI: "/", Body: "a=x+y&b=2", Length: 9}, headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}},
		{name: "headers", runner: d("headers", d("X-N", int64(5), "X-Null", nil, "User-Agent", "mine", "X-Stanley-Action", "other", "Host", "example.org")),
			want: asked{Method: "GET", URI: "/", Host: "example.org"}, headers: map[string]string{"X-N": "5", "X-Null": "", "User-Agent": "mine", "X-Stanley-Action": "http"}},
		{name: "cookies", runner: d("cookies", d("a", "1 2", "b", "x")), want: asked{Method: "GET", URI: "/"}, headers: map[string]string{"Cookie": "a=1 2; b=x"}},
		{name: "basic", runner: d("username", "ann", "password", "s3:cret"), want: asked{Method: "GET", URI: "/"}, headers: map[string]string{"Authorization": "Basic YW5uOnMzOmNyZXQ="}},
		{name: "auth header", action: d("auth", "x-auth-token=XYZ=="), want: asked{Method: "GET", URI: "/"}, headers: map[string]string{"X-Auth-Token": "XYZ=="}},
		{name: "auth list", action: d("auth", value.NewList("ann", "s3:cret")), want: asked{Method: "GET", URI: "/"}, headers: map[string]string{"Authorization": "Basic YW5uOnMzOmNyZXQ="}},
		{name: "null everything", runner: d("headers", nil, "cookies", nil, "username", nil, "password", nil, "url_hosts_blacklist", nil, "verify_ssl_cert", nil),
			action: d("body", nil, "params", nil, "timeout", nil, "method", nil, "auth", nil), want: asked{Method: "GET", URI: "/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			runner := d()
			if c.runner != nil {
				runner = c.runner
			}
			path := c.path
			if path == "" {
				path = "/"
			}
			runner.SetString("url", srv.URL+path)
			status, s := send(t, t.Context(), runner, c.action)
			var got asked
			if err := json.Unmarshal(s.Body, &got); err != nil || status != engine.Succeeded || !s.Parsed {
				t.Fatalf("%s %+v %v", status, s, err)
			}
			if c.want.Host == "" {
				got.Host = ""
			}
			for k, v := range c.headers {
				if got.Header[k] != v {
					t.Errorf("header %s: %q, want %q", k, got.Header[k], v)
				}
			}
			got.Header = nil
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestUserInURL(t *testing.T) {
	srv := httptest.NewServer(nethttp.HandlerFunc(echo))
	defer srv.Close()
	_, s := send(t, t.Context(), value.DictOf("url", strings.Replace(srv.URL, "//", "//ann:s3%3Acret@", 1)), nil)
	if !strings.Contains(string(s.Body), "Basic YW5uOnMzOmNyZXQ=") {
		t.Errorf("%s", s.Body)
	}
}

func TestUpload(t *testing.T) {
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		f, h, err := r.FormFile("a.csv")
		if err != nil {
			nethttp.Error(w, err.Error(), 400)
			return
		}
		data, _ := io.ReadAll(f)
		fmt.Fprintf(w, "%s|%s|%s|%s", h.Filename, h.Header.Get("Content-Type"), data, r.FormValue("note"))
	}))
	defer srv.Close()
	status, s := send(t, t.Context(), value.DictOf("url", srv.URL, "headers", value.DictOf("content-type", "multipart/form-data")),
		value.DictOf("file_name", "a.csv", "file_content", "x,y\n", "file_content_type", "text/csv", "body", value.DictOf("note", "hi")))
	if string(s.Body) != `"a.csv|text/csv|x,y\n|hi"` || status != engine.Succeeded {
		t.Errorf("%s %+v", status, s)
	}
}

func TestResponses(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		code                    int
		status                  engine.Status
		want                    string
		parsed                  bool
	}{
		{"text", "text/plain", "hi <b>", 200, engine.Succeeded, `"hi <b>"`, false},
		{"json", "application/json", ` {"b":1,"a":2} `, 200, engine.Succeeded, `{"b":1,"a":2}`, true},
		{"json scalar", "application/json;charset=utf-8", `5`, 201, engine.Succeeded, `5`, true},
		{"broken json", "application/json", `{"a"`, 200, engine.Succeeded, `"{\"a\""`, false},
		{"empty json", "application/json", ``, 200, engine.Succeeded, `""`, false},
		{"other json", "application/problem+json", `{"a":1}`, 200, engine.Succeeded, `"{\"a\":1}"`, false},
		{"partial", "text/plain", "x", 206, engine.Succeeded, `"x"`, false},
		{"207", "text/plain", "x", 207, engine.Failed, `"x"`, false},
		{"redirect", "text/plain", "x", 302, engine.Failed, `"x"`, false},
		{"404", "application/json", `{"error":"no"}`, 404, engine.Failed, `{"error":"no"}`, true},
		{"500", "text/plain", "x", 500, engine.Failed, `"x"`, false},
		{"latin", "text/html", "gr\xfc\xdfe", 200, engine.Succeeded, `"grüße"`, false},
		{"utf-8 without charset", "text/html", "grüße", 200, engine.Succeeded, `"grüße"`, false},
		{"charset", "text/html; charset=koi8-r", "\xd0\xd2\xc9", 200, engine.Succeeded, `"при"`, false},
		{"bytes", "application/octet-stream", "a\xff\x00", 200, engine.Succeeded, `"a` + "\uFFFD" + `\u0000"`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
				w.Header().Set("Content-Type", c.contentType)
				w.Header().Add("X-Many", "1")
				w.Header().Add("X-Many", "2")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.code)
				io.WriteString(w, c.body)
			}))
			defer srv.Close()
			status, s := send(t, t.Context(), value.DictOf("url", srv.URL), nil)
			if status != c.status || s.StatusCode != c.code || string(s.Body) != c.want || s.Parsed != c.parsed {
				t.Errorf("%s %d %s %t", status, s.StatusCode, s.Body, s.Parsed)
			}
			if s.Headers["X-Many"] != "1, 2" {
				t.Errorf("headers %v", s.Headers)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	other := httptest.NewServer(nethttp.HandlerFunc(echo))
	defer other.Close()
	otherURL, _ := url.Parse(other.URL)
	away := "http://localhost:" + otherURL.Port() + "/away"
	mux := nethttp.NewServeMux()
	mux.HandleFunc("/echo", echo)
	mux.Handle("/302", nethttp.RedirectHandler("/cookie", 302))
	mux.Handle("/307", nethttp.RedirectHandler("/echo", 307))
	mux.Handle("/loop", nethttp.RedirectHandler("/loop", 302))
	mux.Handle("/away", nethttp.RedirectHandler(away, 302))
	mux.HandleFunc("/cookie", func(w nethttp.ResponseWriter, r *nethttp.Request) {
		nethttp.SetCookie(w, &nethttp.Cookie{Name: "c", Value: "1"})
		nethttp.Redirect(w, r, "/echo", 303)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	ask := func(path string, pairs ...any) (engine.Status, shown, asked) {
		runner := value.DictOf(append(pairs, "url", srv.URL+path)...)
		status, s := send(t, t.Context(), runner, value.DictOf("body", "data"))
		var a asked
		json.Unmarshal(s.Body, &a)
		return status, s, a
	}
	if status, s, _ := ask("/302"); status != engine.Failed || s.StatusCode != 302 || s.Headers["Location"] != "/cookie" {
		t.Errorf("not followed: %s %+v", status, s)
	}
	if status, _, a := ask("/302", "allow_redirects", true); status != engine.Succeeded || a.Method != "GET" || a.Body != "" || a.Header["Cookie"] != "c=1" {
		t.Errorf("302: %s %+v", status, a)
	}
	if status, _, a := ask("/307", "allow_redirects", true); status != engine.Succeeded || a.Method != "POST" || a.Body != "data" {
		t.Errorf("307: %s %+v", status, a)
	}
	if status, s, _ := ask("/loop", "allow_redirects", true); status != engine.Failed || !strings.Contains(s.Error, "30 redirects") {
		t.Errorf("loop: %s %+v", status, s)
	}
	status, _, a := ask("/away", "allow_redirects", true, "username", "ann", "password", "s3cret", "cookies", value.DictOf("k", "v"))
	if status != engine.Succeeded || a.Header["Authorization"] != "" || a.Header["Cookie"] != "" {
		t.Errorf("credentials went to another host: %+v", a)
	}
	for name, lists := range map[string][]any{
		"black": {"url_hosts_blacklist", value.NewList("localhost")},
		"white": {"url_hosts_whitelist", value.NewList("127.0.0.1")},
	} {
		status, s, _ := ask("/away", append(lists, "allow_redirects", true)...)
		if status != engine.Failed || !strings.Contains(s.Error, "host localhost") || !strings.Contains(s.Error, name+"list") {
			t.Errorf("%s: %s %+v", name, status, s)
		}
	}
}

func TestHostLists(t *testing.T) {
	srv := httptest.NewServer(nethttp.HandlerFunc(echo))
	defer srv.Close()
	u, _ := url.Parse(srv.URL)
	local := "http://localhost:" + u.Port()
	list := func(h ...any) *value.List { return value.NewList(h...) }
	for _, c := range []struct {
		url, name string
		hosts     *value.List
		says      string
	}{
		{srv.URL, "url_hosts_blacklist", list("example.com"), ""},
		{srv.URL, "url_hosts_blacklist", list("example.com", "127.0.0.1"), "host 127.0.0.1 is on"},
		{srv.URL, "url_hosts_whitelist", list("127.0.0.1"), ""},
		{srv.URL, "url_hosts_whitelist", list("example.com"), "is not on"},
		{local, "url_hosts_blacklist", list("LocalHost."), "host localhost is on"},
		{local, "url_hosts_blacklist", list("127.0.0.1", "::1"), "address "},
		{"http://u:p@127.0.0.1:" + u.Port(), "url_hosts_blacklist", list("127.0.0.1"), "host 127.0.0.1"},
		{"http://[::ffff:127.0.0.1]:" + u.Port(), "url_hosts_blacklist", list("127.0.0.1"), "host 127.0.0.1"},
		{"http://[0:0:0:0:0:0:0:1]:1/", "url_hosts_blacklist", list("[::1]"), "host ::1"},
	} {
		status, s := send(t, t.Context(), value.DictOf("url", c.url, c.name, c.hosts), nil)
		if c.says == "" && status != engine.Succeeded || c.says != "" && (status != engine.Failed || !strings.Contains(s.Error, c.says)) {
			t.Errorf("%s %s %s: %s %s", c.url, c.name, value.Repr(c.hosts), status, s.Error)
		}
	}
	if _, s := send(t, t.Context(), value.DictOf("url", srv.URL, "url_hosts_blacklist", list("a"), "url_hosts_whitelist", list("b")), nil); !strings.Contains(s.Error, "exclude each other") {
		t.Errorf("both: %s", s.Error)
	}
}

func TestProxy(t *testing.T) {
	proxy := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		fmt.Fprintf(w, "via proxy: %s %s", r.RequestURI, r.Header.Get("Proxy-Authorization"))
	}))
	defer proxy.Close()
	address := strings.Replace(proxy.URL, "http://", "ann:s3cret@", 1)
	status, s := send(t, t.Context(), value.DictOf("url", "http://nowhere.invalid/x", "http_proxy", address, "url_hosts_blacklist", value.NewList("127.0.0.1")), nil)
	if status != engine.Succeeded || string(s.Body) != `"via proxy: http://nowhere.invalid/x Basic YW5uOnMzY3JldA=="` {
		t.Errorf("%s %+v", status, s)
	}
}

func TestCertificates(t *testing.T) {
	srv := httptest.NewUnstartedServer(nethttp.HandlerFunc(echo))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the first client
	srv.StartTLS()
	defer srv.Close()
	if status, s := send(t, t.Context(), value.DictOf("url", srv.URL), nil); status != engine.Failed || !strings.Contains(s.Error, "certificate") {
		t.Errorf("checked: %s %+v", status, s)
	}
	if status, s := send(t, t.Context(), value.DictOf("url", srv.URL, "verify_ssl_cert", false), nil); status != engine.Succeeded {
		t.Errorf("not checked: %s %+v", status, s)
	}
}

func TestSlowServers(t *testing.T) {
	stop := make(chan struct{})
	started := make(chan struct{}, 10)
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path == "/drip" {
			io.WriteString(w, "some ")
			w.(nethttp.Flusher).Flush()
		}
		started <- struct{}{}
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(stop)
	for _, path := range []string{"/silent", "/drip"} {
		status, s := send(t, t.Context(), value.DictOf("url", srv.URL+path+"?token=s3cret"), value.DictOf("timeout", 0.1))
		if status != engine.TimedOut || !strings.Contains(s.Error, "within 0.1 seconds") || strings.Contains(s.Error, "s3cret") {
			t.Errorf("%s: %s %+v", path, status, s)
		}
		<-started
		for cause, want := range map[error]engine.Status{runners.ErrCanceled: engine.Canceled, runners.ErrShutdown: engine.Abandoned} {
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				<-started
				cancel(cause)
			}()
			if status, s := send(t, ctx, value.DictOf("url", srv.URL+path), nil); status != want || s.Error == "" {
				t.Errorf("%s, %v: %s %+v", path, cause, status, s)
			}
		}
	}
}

func TestHugeResponses(t *testing.T) {
	srv := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		var out io.Writer = w
		if r.URL.Path == "/bomb" {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			out = z
		}
		chunk := []byte(strings.Repeat("x", 1<<16))
		for sent := 0; r.URL.Path != "/fits" || sent < 16; sent++ {
			if _, err := out.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	for _, path := range []string{"/endless", "/bomb"} {
		if status, s := send(t, t.Context(), value.DictOf("url", srv.URL+path), nil); status != engine.Failed || !strings.Contains(s.Error, "larger than 1048576 bytes") {
			t.Errorf("%s: %s %s", path, status, s.Error)
		}
	}
	if status, s := send(t, t.Context(), value.DictOf("url", srv.URL+"/fits"), nil); status != engine.Succeeded || len(s.Body) != 1<<20+2 {
		t.Errorf("fits: %s, %d bytes", status, len(s.Body))
	}
}

func TestErrorsKeepSecrets(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	d := value.DictOf
	for _, c := range []struct {
		name           string
		runner, action *value.Dict
	}{
		{"refused", d("url", "http://ann:s3cret@"+address+"/p?token=s3cret"), nil},
		{"no scheme", d("url", "ann:s3cret@"+address), nil},
		{"bad port", d("url", "http://ann:s3cret@host:s3cret/"), nil},
		{"slash in the password", d("url", "http://ann:s3cret/x@host/"), nil},
		{"bad escape", d("url", "http://host/%zz?s3cret"), nil},
		{"bad proxy", d("url", "http://"+address, "http_proxy", "http://ann:s3cret%zz@x"), nil},
		{"unreachable proxy", d("url", "http://nowhere.invalid", "http_proxy", "http://ann:s3cret@"+address), nil},
		{"bad header", d("url", "http://"+address, "headers", d("X", "s3cret\r\nY: 1")), nil},
		{"bad body", d("url", "http://"+address, "headers", d("Content-Type", "application/json")), d("body", "{s3cret")},
		{"bad auth", d("url", "http://"+address), d("auth", "s3cret")},
		{"bad method", d("url", "http://"+address), d("method", "A B")},
		{"bad timeout", d("url", "http://"+address), d("timeout", int64(-1))},
		{"no url", d(), nil},
		{"unknown scheme", d("url", "ftp://ann:s3cret@"+address), nil},
	} {
		status, s := send(t, t.Context(), c.runner, c.action)
		if status != engine.Failed || s.Error == "" || strings.Contains(s.Error, "s3cret") {
			t.Errorf("%s: %s %q", c.name, status, s.Error)
		}
		t.Logf("%s: %s", c.name, s.Error)
	}
}

func TestSpec(t *testing.T) {
	spec := New(Options{}).Spec()
	var params map[string]struct {
		Type     string
		Default  any
		Secret   bool
		Required bool
	}
	if err := json.Unmarshal(spec.Parameters, &params); err != nil {
		t.Fatal(err)
	}
	if len(params) != 11 || spec.OutputKey != "body" || !params["password"].Secret || !params["url"].Required ||
		params["allow_redirects"].Default != false || params["verify_ssl_cert"].Default != true {
		t.Errorf("%+v", params)
	}
}
