package mattermost

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// seal marks what goes out and must come back unchanged: the server keeps the
// context of a button to itself, but anybody can call our address. Its secret
// comes from the bot's token, so it is the same in every process and after a
// restart, and changes with the token.
type seal struct{ secret []byte }

func newSeal(token string) seal {
	h := hmac.New(sha256.New, []byte(token))
	h.Write([]byte("petrel/mattermost/callbacks/1"))
	return seal{h.Sum(nil)}
}

// mark returns 32 characters that only the holder of the secret can make of
// these parts.
func (s seal) mark(parts ...string) string {
	h := hmac.New(sha256.New, s.secret)
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (s seal) fits(mark string, parts ...string) bool {
	return hmac.Equal([]byte(mark), []byte(s.mark(parts...)))
}

var errForged = errors.New("its signature does not fit")

// pack makes a sealed text of a value.
func (s seal) pack(v any) (string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode what is sealed: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	return text + "." + s.mark("state", text), nil
}

// unpack is the opposite of pack.
func (s seal) unpack(packed string, v any) error {
	text, mark, _ := strings.Cut(packed, ".")
	if !s.fits(mark, "state", text) {
		return errForged
	}
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("%w: %w", errForged, err)
	}
	return json.Unmarshal(body, v)
}

// digest is a short name for a long text.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:13])
}
