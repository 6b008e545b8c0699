package winrm

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/encoding/unicode"
)

// machine is a Windows machine as WinRM shows it: it takes the SOAP messages of a
// client and answers as the service of Windows does. It runs nothing: what a
// command prints is scripted.
type machine struct {
	t      *testing.T
	server *httptest.Server
	// run says what a command line prints; hang: it goes on until it is ended.
	run func(line string) (stdout, stderr string, code int, hang bool)
	// ntlm asks for a handshake instead of a password in every request.
	ntlm bool

	mu       sync.Mutex
	lines    []string          // command lines, PowerShell decoded
	files    map[string][]byte // what was appended to which file
	env      map[string]string // of the last shell
	cwd      string
	open     int           // shells
	ended    []string      // command lines that were ended by a signal
	started  chan struct{} // one value a command that hangs
	commands map[string]*remoteCommand
}

type remoteCommand struct {
	line, stdout, stderr string
	code                 int
	hang                 bool
	stop                 chan struct{}
}

func newMachine(t *testing.T, tls bool) *machine {
	t.Helper()
	m := &machine{t: t, files: map[string][]byte{}, commands: map[string]*remoteCommand{}, started: make(chan struct{}, 10)}
	m.run = func(string) (string, string, int, bool) { return "", "", 0, false }
	if tls {
		m.server = httptest.NewTLSServer(m)
	} else {
		m.server = httptest.NewServer(m)
	}
	t.Cleanup(m.server.Close)
	return m
}

func (m *machine) port() int64 {
	u, err := url.Parse(m.server.URL)
	if err != nil {
		m.t.Fatal(err)
	}
	n, err := strconv.ParseInt(u.Port(), 10, 64)
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// envelope is the part of a message that matters here.
type envelope struct {
	Action   string `xml:"Header>Action"`
	Selector string `xml:"Header>SelectorSet>Selector"`
	Body     struct {
		Shell struct {
			WorkingDirectory string
			Environment      struct {
				Variable []struct {
					Name  string `xml:"Name,attr"`
					Value string `xml:",chardata"`
				}
			}
		}
		CommandLine struct{ Command string }
		Receive     struct {
			DesiredStream struct {
				CommandID string `xml:"CommandId,attr"`
			}
		}
		Signal struct {
			CommandID string `xml:"CommandId,attr"`
			Code      string
		}
	}
}

// ServeHTTP implements http.Handler.
func (m *machine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.URL.Path != "/wsman" || r.Method != http.MethodPost {
		http.Error(w, "not WinRM", http.StatusBadRequest)
		return
	}
	if !m.admits(w, r) {
		return
	}
	var e envelope
	if err := xml.Unmarshal(body, &e); err != nil {
		m.t.Errorf("no SOAP: %v\n%s", err, body)
		http.Error(w, "no SOAP", http.StatusBadRequest)
		return
	}
	m.answer(w, r, e)
}

// admits checks who asks: the password, or the three steps of NTLM, of which the
// last has to name the account.
func (m *machine) admits(w http.ResponseWriter, r *http.Request) bool {
	if !m.ntlm {
		user, password, _ := r.BasicAuth()
		if user == "ann" && password == "pass word" {
			return true
		}
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	raw, err := base64.StdEncoding.DecodeString(token)
	if err == nil && (scheme == "NTLM" || scheme == "Negotiate") && len(raw) > 12 && string(raw[:7]) == "NTLMSSP" {
		name, _ := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().String("ann")
		switch {
		case raw[8] == 3 && strings.Contains(string(raw), name):
			return true
		case raw[8] == 1:
			w.Header().Set("WWW-Authenticate", scheme+" "+base64.StdEncoding.EncodeToString(challenge()))
			w.WriteHeader(http.StatusUnauthorized)
			return false
		}
	}
	w.Header().Add("WWW-Authenticate", "Negotiate")
	w.Header().Add("WWW-Authenticate", "NTLM")
	w.WriteHeader(http.StatusUnauthorized)
	return false
}

// challenge is the second message of NTLM (MS-NLMP 2.2.1.2): Unicode, NTLM, target
// information, extended security.
func challenge() []byte {
	info := []byte{2, 0, 2, 0, 'D', 0, 0, 0, 0, 0} // domain "D", end
	b := append([]byte("NTLMSSP\x00"), 2, 0, 0, 0)
	b = append(b, 0, 0, 0, 0, 56, 0, 0, 0) // target name: none
	b = append(b, 0x01, 0x82, 0x88, 0x00)  // flags
	b = append(b, 1, 2, 3, 4, 5, 6, 7, 8)  // challenge
	b = append(b, make([]byte, 8)...)      // reserved
	b = append(b, byte(len(info)), 0, byte(len(info)), 0, 56, 0, 0, 0)
	b = append(b, make([]byte, 8)...) // version
	return append(b, info...)
}

const soapHead = `<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" ` +
	`xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell" ` +
	`xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer"><s:Header/><s:Body>`

func (m *machine) reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/soap+xml;charset=UTF-8")
	w.WriteHeader(status)
	io.WriteString(w, soapHead+body+"</s:Body></s:Envelope>")
}

func (m *machine) answer(w http.ResponseWriter, r *http.Request, e envelope) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e.Action[strings.LastIndexByte(e.Action, '/')+1:] {
	case "Create":
		m.open++
		m.cwd, m.env = e.Body.Shell.WorkingDirectory, map[string]string{}
		for _, v := range e.Body.Shell.Environment.Variable {
			m.env[v.Name] = v.Value
		}
		m.reply(w, 200, `<x:ResourceCreated><w:SelectorSet><w:Selector Name="ShellId">SHELL-1</w:Selector></w:SelectorSet></x:ResourceCreated>`)
	case "Delete":
		m.open--
		for _, c := range m.commands {
			c.end()
		}
		m.reply(w, 200, "")
	case "Command":
		c := m.begin(e.Body.CommandLine.Command)
		id := fmt.Sprint("COMMAND-", len(m.lines))
		m.commands[id] = c
		m.reply(w, 200, "<rsp:CommandResponse><rsp:CommandId>"+id+"</rsp:CommandId></rsp:CommandResponse>")
	case "Receive":
		m.receive(w, r, e.Body.Receive.DesiredStream.CommandID)
	case "Signal":
		if c := m.commands[e.Body.Signal.CommandID]; c != nil && strings.HasSuffix(e.Body.Signal.Code, "/terminate") {
			m.ended = append(m.ended, c.line)
			c.end()
		}
		m.reply(w, 200, "<rsp:SignalResponse/>")
	default:
		m.t.Errorf("unknown action %s", e.Action)
		m.reply(w, 500, "")
	}
}

var (
	encodedLine = regexp.MustCompile(`^powershell\.exe .*-EncodedCommand (\S+)$`)
	appendLine  = regexp.MustCompile(`Open\("([^"]+)".*FromBase64String\("([^"]*)"\)`)
)

// begin runs a command line.
func (m *machine) begin(line string) *remoteCommand {
	if len(line) > maxLine {
		m.t.Errorf("a command line of %d characters", len(line))
	}
	if found := encodedLine.FindStringSubmatch(line); found != nil {
		raw, err := base64.StdEncoding.DecodeString(found[1])
		if err != nil {
			m.t.Errorf("no base64: %v", err)
		}
		text, err := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewDecoder().String(string(raw))
		if err != nil {
			m.t.Errorf("no UTF-16: %v", err)
		}
		line = "PS> " + strings.TrimPrefix(text, preamble)
	}
	m.lines = append(m.lines, line)
	if found := appendLine.FindStringSubmatch(line); found != nil {
		part, err := base64.StdEncoding.DecodeString(found[2])
		if err != nil {
			m.t.Errorf("no base64: %v", err)
		}
		m.files[found[1]] = append(m.files[found[1]], part...)
	}
	c := &remoteCommand{line: line, stop: make(chan struct{})}
	c.stdout, c.stderr, c.code, c.hang = m.run(line)
	if c.hang {
		m.started <- struct{}{}
	}
	return c
}

func (c *remoteCommand) end() {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
}

// receive tells what a command printed; while it hangs the answer is held back for
// a moment, as long as the client asked for.
func (m *machine) receive(w http.ResponseWriter, r *http.Request, id string) {
	c := m.commands[id]
	if c == nil {
		m.reply(w, 500, `<s:Fault><s:Reason><s:Text xml:lang="en-US">There is no such command.</s:Text></s:Reason></s:Fault>`)
		return
	}
	stream := func(name, text string) string {
		return `<rsp:Stream Name="` + name + `" CommandId="` + id + `">` + base64.StdEncoding.EncodeToString([]byte(text)) + "</rsp:Stream>"
	}
	if c.hang {
		if c.stdout != "" {
			first := c.stdout
			c.stdout = ""
			m.reply(w, 200, "<rsp:ReceiveResponse>"+stream("stdout", first)+`<rsp:CommandState CommandId="`+id+
				`" State="http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Running"/></rsp:ReceiveResponse>`)
			return
		}
		m.mu.Unlock()
		select {
		case <-c.stop:
		case <-r.Context().Done():
		case <-time.After(300 * time.Millisecond):
		}
		m.mu.Lock()
		m.reply(w, 500, `<s:Fault><s:Reason><s:Text xml:lang="">The WS-Management service cannot complete the operation within the time.</s:Text></s:Reason>`+
			`<s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="2150858793"/></s:Detail></s:Fault>`)
		return
	}
	m.reply(w, 200, "<rsp:ReceiveResponse>"+stream("stdout", c.stdout)+stream("stderr", c.stderr)+`<rsp:CommandState CommandId="`+id+
		`" State="http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done"><rsp:ExitCode>`+strconv.Itoa(c.code)+"</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>")
}
