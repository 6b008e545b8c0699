package codec

import (
	"bytes"
	"errors"
	"testing"

	"petrel/store"
)

func TestCompress(t *testing.T) {
	text := bytes.Repeat([]byte("say it again, "), 1000)
	for _, tc := range []struct {
		what   string
		body   []byte
		zipped bool
	}{
		{"nothing", nil, false},
		{"short", []byte("short"), false},
		{"long", text, true},
		{"dense", bytes.Join([][]byte{{1, 7, 200, 9}, {4, 99, 31, 77}}, nil), false},
	} {
		stored, zipped := Compress(tc.body, 8)
		if zipped != tc.zipped || len(stored) > len(tc.body) {
			t.Errorf("%s: %d bytes became %d, zipped %v", tc.what, len(tc.body), len(stored), zipped)
		}
		if !zipped {
			continue
		}
		if back, err := Decompress(stored); err != nil || !bytes.Equal(back, tc.body) {
			t.Errorf("%s: %d bytes came back, %v", tc.what, len(back), err)
		}
		for _, broken := range [][]byte{stored[:len(stored)/2], stored[1:], nil} {
			if _, err := Decompress(broken); err == nil {
				t.Errorf("%s: a broken value was accepted", tc.what)
			}
		}
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("2026", "id", "Zm9v")
	f.Add("", "", "!")
	f.Fuzz(func(t *testing.T, sort, id, made string) {
		if !bytes.Contains([]byte(sort+id), []byte{0}) {
			s, i, err := ParseCursor(Cursor(sort, id))
			if err != nil || s != sort || i != id {
				t.Fatalf("%q %q came back as %q %q, %v", sort, id, s, i, err)
			}
		}
		if _, _, err := ParseCursor(made); err != nil && !errors.Is(err, store.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
