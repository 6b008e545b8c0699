package secrets

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// StackStorm's ciphertext (keyczar's form, in upper-case hex): a header of five
// bytes, which readers ignore, the initialisation vector, AES-CBC with PKCS#7
// padding, and the HMAC-SHA1 of all that.

var stackStormHeader = []byte("00000")

// stackStormKey is what a key file of StackStorm holds.
type stackStormKey struct {
	block cipher.Block
	mac   []byte
}

// parseStackStormKey reads {"hmacKey":{"hmacKeyString":...,"size":256},
// "aesKeyString":...,"mode":"CBC","size":256}; keys are base64 for URLs, with or
// without padding.
func parseStackStormKey(body []byte) (*stackStormKey, error) {
	var f struct {
		HMAC *struct {
			Key string `json:"hmacKeyString"`
		} `json:"hmacKey"`
		AES  string `json:"aesKeyString"`
		Mode string `json:"mode"`
		Size int    `json:"size"`
	}
	if err := json.Unmarshal(body, &f); err != nil {
		return nil, errors.New("it is not JSON")
	}
	if f.AES == "" || f.HMAC == nil || f.HMAC.Key == "" {
		return nil, errors.New("it lacks aesKeyString or hmacKey.hmacKeyString")
	}
	if f.Mode != "" && !strings.EqualFold(f.Mode, "CBC") {
		return nil, fmt.Errorf("mode %q is not CBC", f.Mode)
	}
	secret, err := keyText(f.AES)
	if err != nil {
		return nil, fmt.Errorf("aesKeyString: %w", err)
	}
	if f.Size != 0 && f.Size != 8*len(secret) {
		return nil, fmt.Errorf("size is %d, but aesKeyString holds %d bits", f.Size, 8*len(secret))
	}
	mac, err := keyText(f.HMAC.Key)
	if err != nil {
		return nil, fmt.Errorf("hmacKey.hmacKeyString: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("aesKeyString holds %d bits; 128, 192 or 256 are possible", 8*len(secret))
	}
	return &stackStormKey{block, mac}, nil
}

func keyText(s string) ([]byte, error) {
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, errors.New("is not base64 for URLs")
	}
	return key, nil
}

// isStackStorm tells whether bytes look like StackStorm's ciphertext.
func isStackStorm(raw []byte) bool { return bytes.HasPrefix(raw, stackStormHeader) }

// decrypt checks and decrypts what StackStorm encrypted.
func (k *stackStormKey) decrypt(raw []byte) (string, error) {
	head := len(stackStormHeader)
	size := len(raw) - head - aes.BlockSize - sha1.Size
	if size < aes.BlockSize || size%aes.BlockSize != 0 {
		return "", errors.New("this is no encrypted value, or it is cut off")
	}
	signed, sum := raw[:len(raw)-sha1.Size], raw[len(raw)-sha1.Size:]
	mac := hmac.New(sha1.New, k.mac)
	mac.Write(signed)
	if !hmac.Equal(mac.Sum(nil), sum) {
		return "", errors.New("the value was changed, or encrypted with another key than that of StackStorm's key file")
	}
	plain := make([]byte, size)
	cipher.NewCBCDecrypter(k.block, signed[head:head+aes.BlockSize]).CryptBlocks(plain, signed[head+aes.BlockSize:])
	padding := int(plain[size-1])
	if padding < 1 || padding > aes.BlockSize || !bytes.Equal(plain[size-padding:], bytes.Repeat([]byte{byte(padding)}, padding)) {
		return "", errors.New("the encrypted value is damaged")
	}
	return string(plain[:size-padding]), nil
}
