package http

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	nethttp "net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/engine/runners/output"
)

// readResponse makes {status_code, body, parsed, headers} of a response. It
// succeeded with a status of 200 to 206; StackStorm counts all others, redirects
// that are not followed included, as failures.
func readResponse(resp *nethttp.Response, limit int64) (runners.Outcome, error) {
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return runners.Outcome{}, fmt.Errorf("read the response: %w", err)
	}
	if int64(len(data)) > limit {
		return runners.Outcome{}, fmt.Errorf("the response is larger than %d bytes, which is the limit", limit)
	}
	contentType := resp.Header.Get("Content-Type")
	text := decode(data, contentType)
	kind, _, _ := strings.Cut(contentType, ";")
	body, parsed := output.String(text), false
	if strings.EqualFold(strings.TrimSpace(kind), "application/json") && json.Valid([]byte(text)) {
		body, parsed = json.RawMessage(strings.TrimSpace(text)), true
	}
	result, err := json.Marshal(joinHeaders(resp.Header))
	if err != nil {
		return runners.Outcome{}, fmt.Errorf("headers of the response: %w", err)
	}
	b := fmt.Appendf(nil, `{"status_code":%d,"body":`, resp.StatusCode)
	b = append(b, body...)
	b = fmt.Appendf(b, `,"parsed":%t,"headers":`, parsed)
	b = append(append(b, result...), '}')
	status := engine.Failed
	if resp.StatusCode >= 200 && resp.StatusCode <= 206 {
		status = engine.Succeeded
	}
	return runners.Outcome{Status: status, Result: b}, nil
}

func joinHeaders(h nethttp.Header) map[string]string {
	joined := make(map[string]string, len(h))
	for name, values := range h {
		joined[name] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	return joined
}

// decode turns a body into text: by the charset of its type, else as UTF-8,
// else, for text, as Latin-1, the web's old default.
func decode(data []byte, contentType string) string {
	kind, params, err := mime.ParseMediaType(contentType)
	if err == nil && params["charset"] != "" {
		if enc, err := htmlindex.Get(params["charset"]); err == nil {
			return decodeWith(enc, data)
		}
	}
	if !utf8.Valid(data) && strings.HasPrefix(kind, "text/") {
		return decodeWith(charmap.Windows1252, data)
	}
	return strings.ToValidUTF8(string(data), "\uFFFD")
}

func decodeWith(enc encoding.Encoding, data []byte) string {
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		text = data
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}
