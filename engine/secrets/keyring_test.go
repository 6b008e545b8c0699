package secrets

import (
	"crypto/aes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, o Options) *Keyring {
	t.Helper()
	k, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func encrypt(t *testing.T, k *Keyring, text string) string {
	t.Helper()
	c, err := k.Encrypt(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestKeyring(t *testing.T) {
	file := filepath.Join(t.TempDir(), "deep", "keys.json")
	k := open(t, Options{File: file})
	for _, text := range []string{"", "hunter2", "ключ\n\x00", strings.Repeat("x", 1<<20)} {
		c := encrypt(t, k, text)
		if again := encrypt(t, k, text); again == c {
			t.Errorf("%.10q is encrypted twice to the same", text)
		}
		if c != strings.ToUpper(c) || len(text) > 0 && strings.Contains(c, text) {
			t.Errorf("%.10q: ciphertext %.60s", text, c)
		}
		for _, reader := range []*Keyring{k, open(t, Options{File: file})} {
			if got, err := reader.Decrypt(c); err != nil || got != text {
				t.Errorf("decrypt %.10q: %.10q, %v", text, got, err)
			}
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
}

func TestDecryptRefuses(t *testing.T) {
	dir := t.TempDir()
	k := open(t, Options{File: filepath.Join(dir, "a.json")})
	c := encrypt(t, k, "hunter2")
	for at := 0; at < len(c); at += 2 {
		raw, _ := hex.DecodeString(c)
		raw[at/2] ^= 1
		if got, err := k.Decrypt(hex.EncodeToString(raw)); err == nil {
			t.Fatalf("byte %d changed: %q", at/2, got)
		}
		if _, err := k.Decrypt(c[:at]); err == nil {
			t.Fatalf("cut at %d", at)
		}
	}
	if _, err := k.Decrypt("plain"); err == nil || !strings.Contains(err.Error(), "hexadecimal") {
		t.Errorf("plain text: %v", err)
	}
	if _, err := k.Decrypt(vector); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "stackstorm_key_file") {
		t.Errorf("StackStorm's without its key: %v", err)
	}
	if _, err := open(t, Options{File: filepath.Join(dir, "b.json")}).Decrypt(c); !errors.Is(err, ErrKey) {
		t.Errorf("another key file: %v", err)
	}
}

func TestRotate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	k, other := open(t, Options{File: file}), open(t, Options{File: file})
	old := encrypt(t, k, "hunter2")
	if stale, err := k.Stale(old); stale || err != nil {
		t.Errorf("before: stale %v, %v", stale, err)
	}
	if _, err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	if stale, err := k.Stale(old); !stale || err != nil {
		t.Errorf("after: stale %v, %v", stale, err)
	}
	fresh := encrypt(t, k, "hunter2")
	if fresh[:26] == old[:26] {
		t.Error("the new value has the key of the old one")
	}
	for _, c := range []string{old, fresh} { // the other one notices the change
		if got, err := other.Decrypt(c); got != "hunter2" || err != nil {
			t.Errorf("other process: %q, %v", got, err)
		}
	}
	if n, err := k.Forget(); n != 1 || err != nil {
		t.Fatalf("forget: %d, %v", n, err)
	}
	if _, err := k.Decrypt(old); !errors.Is(err, ErrKey) {
		t.Errorf("forgotten key: %v", err)
	}
	if got, err := k.Decrypt(fresh); got != "hunter2" || err != nil {
		t.Errorf("kept key: %q, %v", got, err)
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct{ body, want string }{
		"text":       {"nope", "not JSON"},
		"empty":      {"{}", "no keys"},
		"stackstorm": {stackStormKeyFile, "secrets.stackstorm_key_file"},
		"damaged":    {`{"keys":[{"id":"0011223344556677","aes256":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}]}`, "damaged"},
	} {
		if _, err := Open(Options{File: write(name, c.body)}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open(t, Options{File: filepath.Join(dir, "none"), NoCreate: true}).Encrypt("x"); err == nil || !strings.Contains(err.Error(), "petrel key generate") {
		t.Errorf("no file: %v", err)
	}
	made := filepath.Join(dir, "made.json")
	if err := Generate(made); err != nil {
		t.Fatal(err)
	}
	if err := Generate(made); err == nil {
		t.Error("a key file was overwritten")
	}
}

// The vector of the format's description: AES key 00..1f, HMAC key 20..3f.
const (
	stackStormKeyFile = `{"hmacKey":{"hmacKeyString":"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8","size":256},` +
		`"aesKeyString":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","mode":"CBC","size":256}`
	vector = "3030303030A0A1A2A3A4A5A6A7A8A9AAABACADAEAF08815B20F62D72628DF6C703AE2F4AB89F8E95F1ADC3DD88396ECE6E43C4809392AEC2A6"
)

func TestStackStorm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, []byte(stackStormKeyFile), 0o600); err != nil {
		t.Fatal(err)
	}
	k := open(t, Options{File: filepath.Join(t.TempDir(), "own.json"), StackStorm: path})
	for _, c := range []string{vector, strings.ToLower(vector), " " + vector + "\n"} {
		if got, err := k.Decrypt(c); got != "hello" || err != nil {
			t.Errorf("%s: %q, %v", c, got, err)
		}
	}
	// The header is not looked at, but signed.
	if _, err := k.Decrypt("31" + vector[2:]); err == nil {
		t.Error("another header was accepted")
	}
	for at := 0; at < len(vector); at += 2 {
		raw, _ := hex.DecodeString(vector)
		raw[at/2] ^= 0x10
		if got, err := k.Decrypt(hex.EncodeToString(raw)); err == nil {
			t.Errorf("byte %d changed: %q", at/2, got)
		}
	}
	if _, err := k.Decrypt(vector[:2*(5+aes.BlockSize+20)]); err == nil {
		t.Error("a value without a block was accepted")
	}
	// What is encrypted anew is Petrel's.
	if c := encrypt(t, k, "x"); strings.HasPrefix(c, "3030") {
		t.Errorf("ciphertext %s", c)
	}
	for _, bad := range []string{`{}`, `{"aesKeyString":"AAEC","hmacKey":{"hmacKeyString":"AAEC"}}`,
		strings.Replace(stackStormKeyFile, `"size":256}`, `"size":128}`, 2), strings.Replace(stackStormKeyFile, "CBC", "GCM", 1)} {
		if _, err := parseStackStormKey([]byte(bad)); err == nil {
			t.Errorf("accepted %s", bad)
		}
	}
}
