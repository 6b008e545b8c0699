package slack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"petrel/adapters"
)

// scopes are those of the bot token, and what does not work without them.
var scopes = []struct {
	name, without string
	severity      adapters.Severity
}{
	{"chat:write", "nothing can be said", adapters.Fatal},
	{"app_mentions:read", "mentions of the app are not heard", adapters.Warning},
	{"im:history", "direct messages are not heard", adapters.Warning},
	{"im:write", "no direct conversation can be begun", adapters.Warning},
	{"commands", "slash commands, buttons and forms do not work", adapters.Warning},
	{"users:read", "people are known by their IDs only", adapters.Warning},
	{"users:read.email", "people are not recognised by their e-mail addresses", adapters.Warning},
	{"channels:read", "names of channels are not known", adapters.Warning},
	{"channels:history", "lines that begin with the prefix are not heard in channels; mentions are", adapters.Warning},
	{"groups:read", "names of private channels are not known", adapters.Warning},
	{"groups:history", "lines that begin with the prefix are not heard in private channels; mentions are", adapters.Warning},
	{"im:read", "names of direct conversations are not known", adapters.Warning},
	{"chat:write.public", "channels that the app is not in cannot be posted to", adapters.Warning},
	{"files:write", "long output and other files cannot be uploaded", adapters.Warning},
	{"reactions:write", "no reactions can be added", adapters.Warning},
	{"pins:write", "messages cannot be pinned", adapters.Warning},
	{"channels:manage", "channels cannot be created, nor people invited, nor topics set", adapters.Warning},
	{"channels:join", "the app cannot join a channel by itself", adapters.Warning},
	{"groups:write", "private channels cannot be created, nor people invited, nor topics set", adapters.Warning},
}

// Skews of our clock from Slack's.
const (
	skewNoted = 30 * time.Second
	skewFatal = 4 * time.Minute // signatures are refused from five on
)

// Examine implements adapters.Examiner.
func (a *Adapter) Examine(ctx context.Context) []adapters.Finding {
	ctx, cancel := context.WithTimeout(ctx, 4*a.timing.Call)
	defer cancel()
	began := time.Now()
	who, err := a.api.AuthTestContext(ctx)
	took := time.Since(began)
	if err != nil {
		return []adapters.Finding{finding("token", adapters.Fatal, "Slack does not take the bot token: "+err.Error(), remedyOf(err, "is "+a.options.APIURL+" reachable from here?"))}
	}
	found := []adapters.Finding{
		finding("token", adapters.OK, fmt.Sprintf("the bot is @%s in %s (%s)", who.User, who.Team, who.TeamID), ""),
		finding("round trip", adapters.OK, fmt.Sprintf("auth.test took %d ms", took.Milliseconds()), ""),
	}
	if took > time.Second {
		found[1].Severity = adapters.Warning
		found[1].Remedy = "Slack wants its acknowledgements within three seconds; look at the network between here and " + a.options.APIURL
	}
	found = append(found, a.examineScopes(who.Header)...)
	found = append(found, a.examineClock(who.Header, took))
	if a.options.AppToken != "" {
		found = append(found, a.examineAppToken(ctx))
	} else {
		found = append(found, a.examineCallback(ctx))
	}
	return append(found, a.examineMembership(ctx))
}

func finding(check string, s adapters.Severity, text, remedy string) adapters.Finding {
	return adapters.Finding{Check: check, Severity: s, Text: text, Remedy: remedy}
}

// remedyOf says what to do about an error.
func remedyOf(err error, otherwise string) string {
	if remedy := remedies[code(err)]; remedy != "" {
		return remedy
	}
	if code(err) == "missing_scope" {
		return "add the scope under OAuth & Permissions and install the app again"
	}
	return otherwise
}

func (a *Adapter) examineScopes(h http.Header) []adapters.Finding {
	granted := strings.FieldsFunc(h.Get("X-Oauth-Scopes"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(granted) == 0 {
		return []adapters.Finding{finding("scopes", adapters.Warning, "Slack does not tell the scopes of the token", "")}
	}
	var found []adapters.Finding
	for _, s := range scopes {
		if !slices.Contains(granted, s.name) {
			found = append(found, finding("scopes", s.severity, s.name+" is missing: "+s.without, "add it under OAuth & Permissions and install the app again"))
		}
	}
	if len(found) == 0 {
		found = append(found, finding("scopes", adapters.OK, "the token has all scopes that are used", ""))
	}
	return found
}

func (a *Adapter) examineClock(h http.Header, took time.Duration) adapters.Finding {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return finding("clock", adapters.Warning, "Slack does not tell the time", "")
	}
	skew := time.Since(date) - took/2
	text := fmt.Sprintf("our clock is %s off Slack's", skew.Abs().Round(time.Second))
	remedy := "let the machine keep its time by NTP"
	switch {
	case skew.Abs() < skewNoted:
		return finding("clock", adapters.OK, text, "")
	case skew.Abs() > skewFatal && a.options.AppToken == "":
		return finding("clock", adapters.Fatal, text+": Slack's signatures will be refused as too old", remedy)
	}
	return finding("clock", adapters.Warning, text, remedy)
}

func (a *Adapter) examineAppToken(ctx context.Context) adapters.Finding {
	began := time.Now()
	if _, _, err := a.api.StartSocketModeContext(ctx); err != nil {
		return finding("app token", adapters.Fatal, "Socket Mode cannot be opened: "+err.Error(), remedyOf(err, "turn Socket Mode on, and give the app-level token the scope connections:write"))
	}
	return finding("app token", adapters.OK, fmt.Sprintf("Socket Mode opens, in %d ms", time.Since(began).Milliseconds()), "")
}

// examineCallback calls our own public address as Slack does.
func (a *Adapter) examineCallback(ctx context.Context) adapters.Finding {
	const check = "callback"
	u, err := url.Parse(a.options.PublicURL)
	if a.options.PublicURL == "" || err != nil || u.Host == "" {
		return finding(check, adapters.Fatal, "it is not known under which address Slack reaches this program", "set http.public_url, or use Socket Mode (chat.slack.app_token)")
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsPrivate()) {
		return finding(check, adapters.Warning, a.options.PublicURL+" is no address that Slack can reach", "set http.public_url to a public https address, or use Socket Mode (chat.slack.app_token)")
	}
	return a.tryCallback(ctx, strings.TrimSuffix(a.options.PublicURL, "/")+"/events")
}

func (a *Adapter) tryCallback(ctx context.Context, address string) adapters.Finding {
	const check = "callback"
	challenge := strconv.FormatInt(time.Now().UnixNano(), 36)
	body, err := json.Marshal(map[string]string{"type": "url_verification", "challenge": challenge})
	if err != nil {
		return finding(check, adapters.Fatal, err.Error(), "")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return finding(check, adapters.Fatal, err.Error(), "")
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("X-Slack-Request-Timestamp", now)
	req.Header.Set("X-Slack-Signature", sign(a.options.SigningSecret, now, body))
	resp, err := a.http.Do(req)
	if err != nil {
		return finding(check, adapters.Warning, fmt.Sprintf("%s does not answer from here: %v", address, err), "is the program running, and does the proxy before it pass /chat/ on?")
	}
	defer resp.Body.Close()
	var echoed struct{ Challenge string }
	said, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err == nil && resp.StatusCode == http.StatusOK && json.Unmarshal(said, &echoed) == nil && echoed.Challenge == challenge {
		return finding(check, adapters.OK, address+" answers signed requests", "")
	}
	return finding(check, adapters.Warning, fmt.Sprintf("%s answers %s and not as this program does", address, resp.Status), "does the address lead to this program, and has it the same signing secret?")
}

// sign is the signature of a request of Slack's.
func sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("v0:" + timestamp + ":"))
	mac.Write(body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

func (a *Adapter) examineMembership(ctx context.Context) adapters.Finding {
	in, cursor, err := a.api.GetConversationsForUserContext(ctx, &slack.GetConversationsForUserParameters{
		Types: []string{"public_channel", "private_channel"}, Limit: 200, ExcludeArchived: true,
	})
	switch {
	case err != nil:
		return finding("channels", adapters.Warning, "the channels of the bot are not known: "+err.Error(), remedyOf(err, ""))
	case len(in) == 0:
		return finding("channels", adapters.Warning, "the bot is in no channel, so it hears direct messages and slash commands only", "invite it: /invite @its-name")
	}
	var names []string
	for _, c := range in[:min(len(in), 5)] {
		names = append(names, "#"+c.Name)
	}
	more := ""
	if len(in) > len(names) || cursor != "" {
		more = " and more"
	}
	return finding("channels", adapters.OK, "the bot is in "+strings.Join(names, ", ")+more, "")
}
