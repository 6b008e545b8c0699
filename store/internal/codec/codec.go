// Package codec holds the encodings that the backends have in common: compressed
// values and the cursors of pages. It knows nothing of where they are kept.
package codec

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"petrel/store"
)

// Compress returns body as gzip, or body itself and false when it is shorter
// than from bytes or does not shrink.
func Compress(body []byte, from int) (stored []byte, zipped bool) {
	if len(body) < from {
		return body, false
	}
	var buf bytes.Buffer
	w, _ := gzip.NewWriterLevel(&buf, gzip.BestSpeed) // the level is a valid constant
	if _, err := w.Write(body); err != nil {          // a bytes.Buffer does not fail
		return body, false
	}
	if err := w.Close(); err != nil || buf.Len() >= len(body) {
		return body, false
	}
	return buf.Bytes(), true
}

// Decompress is the inverse of Compress for what was zipped.
func Decompress(stored []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(stored))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(r, store.MaxBlob+1))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return body, nil
}

// Cursor writes down the place after a document in the order of a query.
func Cursor(sort, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(sort + "\x00" + id))
}

// ParseCursor is the inverse of Cursor; other strings are ErrInvalid.
func ParseCursor(s string) (sort, id string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	sort, id, ok := strings.Cut(string(raw), "\x00")
	if err != nil || !ok {
		return "", "", fmt.Errorf("page cursor %q is not one that a query returned: %w", s, store.ErrInvalid)
	}
	return sort, id, nil
}
