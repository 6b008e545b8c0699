package output

import (
	"bytes"
	"encoding/json"
	"fmt"

	"petrel/engine/expression/value"
)

// Result is what a command leaves, on this machine or another: {succeeded,
// failed, return_code, stdout, stderr} and, when there is one, error.
func Result(succeeded bool, code int, stdout, stderr []byte, problem string) json.RawMessage {
	out, err := Value(stdout), Value(stderr)
	b := make([]byte, 0, len(out)+len(err)+len(problem)+128)
	b = fmt.Appendf(b, `{"succeeded":%t,"failed":%t,"return_code":%d,"stdout":`, succeeded, !succeeded, code)
	b = append(append(append(b, out...), `,"stderr":`...), err...)
	if problem != "" {
		b = append(append(b, `,"error":`...), String(problem)...)
	}
	return append(b, '}')
}

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
	return value.AppendJSONText(make([]byte, 0, len(s)+2), s, false)
}
