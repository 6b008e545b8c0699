package sqlite

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
)

// zipFrom is the size from which a blob is compressed.
const zipFrom = 512

// compress returns the body in its stored form and whether that is gzip; what
// does not shrink is stored as it is.
func compress(body []byte) (stored []byte, zipped bool) {
	if len(body) < zipFrom {
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

func decompress(stored []byte, size int) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(stored))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return body, nil
}
