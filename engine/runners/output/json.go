package output

import (
	"bytes"
	"encoding/json"
)

// Value is the form in which printed text enters a result (StackStorm's rule
// for stdout and stderr of shell actions): one newline at its end is dropped,
// then, if the whole text is JSON, it is that value, else a string.
func Value(text []byte) json.RawMessage {
	text = TrimNewline(text)
	if json.Valid(text) {
		return json.RawMessage(bytes.TrimSpace(text))
	}
	return String(string(text))
}

// TrimNewline drops one newline (LF or CR LF) from the end.
func TrimNewline(text []byte) []byte {
	if t, ok := bytes.CutSuffix(text, []byte("\n")); ok {
		text, _ = bytes.CutSuffix(t, []byte("\r"))
	}
	return text
}

// String is s as a JSON string, without the escapes meant for HTML.
func String(s string) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil { // a string always encodes
		return json.RawMessage(`""`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
