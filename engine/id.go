package engine

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// IDs are 24 hex digits, as StackStorm's: 4 bytes of unix time, then 8 bytes
// that are random (NewID) or a hash of what caused the thing (DeriveID). So
// they sort by age to the second.

// NewID returns a fresh ID.
func NewID(now time.Time) string {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:4], uint32(now.Unix()))
	rand.Read(b[4:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}

// DeriveID returns the ID of what the thing called cause brings about: always
// the same for the same cause and parts, which makes a repeated delivery create
// nothing new. The time part is inherited from cause, itself an ID.
func DeriveID(cause string, parts ...string) string {
	h := sha256.New()
	h.Write([]byte(cause))
	for _, p := range parts {
		h.Write([]byte{0})
		h.Write([]byte(p))
	}
	sum := hex.EncodeToString(h.Sum(nil)[:8])
	if !ValidID(cause) {
		return sum + sum[:8]
	}
	return cause[:8] + sum
}

// ValidID reports whether s has the form of an ID.
func ValidID(s string) bool {
	if len(s) != 24 {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}
