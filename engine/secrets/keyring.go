package secrets

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say where keys are.
type Options struct {
	// File holds Petrel's keys. A missing one is made, with one new key, when
	// something is to be encrypted for the first time.
	File string
	// NoCreate: a missing File is an error then, because other processes need
	// the same keys.
	NoCreate bool
	// StackStorm is a key file of StackStorm; what it encrypted can be read. It
	// may be empty.
	StackStorm string
}

// Keyring encrypts with the newest of its keys and decrypts with any of them. It
// is safe for concurrent use, and notices when its file was changed.
type Keyring struct {
	options Options

	mu      sync.Mutex
	keys    []key // the last one encrypts
	changed time.Time
	foreign *stackStormKey
}

// key is one AES-256 key.
type key struct {
	ID      string    `json:"id"` // hex of the first bytes of its SHA-256
	Created time.Time `json:"created"`
	AES     string    `json:"aes256"` // base64

	aead cipher.AEAD
}

const (
	keySize = 32
	idSize  = 8
)

// Ciphertext is upper-case hex, as StackStorm's is: this header, the ID of the
// key, the nonce, the AES-256-GCM of the text with its tag. Header and ID are
// authenticated too.
var header = []byte("PTRL1")

// ErrKey: a text was encrypted with a key that is not here.
var ErrKey = errors.New("its key is not here")

// Open reads the key files that are there.
func Open(o Options) (*Keyring, error) {
	k := &Keyring{options: o}
	if o.StackStorm != "" {
		body, err := os.ReadFile(o.StackStorm)
		if err != nil {
			return nil, fmt.Errorf("StackStorm's key file: %w", err)
		}
		if k.foreign, err = parseStackStormKey(body); err != nil {
			return nil, fmt.Errorf("StackStorm's key file %s: %w", o.StackStorm, err)
		}
	}
	err := k.load()
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return k, err
}

// Encrypt gives the ciphertext of a text; no two are equal.
func (k *Keyring) Encrypt(plain string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	newest, err := k.newest()
	if err != nil {
		return "", err
	}
	id, err := hex.DecodeString(newest.ID)
	if err != nil {
		return "", fmt.Errorf("key %s: %w", newest.ID, err)
	}
	out := append(slices.Clone(header), id...)
	head := out
	nonce := make([]byte, newest.aead.NonceSize())
	rand.Read(nonce) // never fails, see crypto/rand
	out = append(out, nonce...)
	out = newest.aead.Seal(out, nonce, []byte(plain), head)
	return strings.ToUpper(hex.EncodeToString(out)), nil
}

// Decrypt gives the text of a ciphertext of Encrypt, or of StackStorm.
func (k *Keyring) Decrypt(ciphertext string) (string, error) {
	raw, err := hex.DecodeString(strings.TrimSpace(ciphertext))
	if err != nil {
		return "", errors.New("this is no encrypted value: it is not hexadecimal")
	}
	switch {
	case slices.Equal(raw[:min(len(header), len(raw))], header):
		return k.open(raw)
	case k.foreign != nil:
		return k.foreign.decrypt(raw)
	case isStackStorm(raw):
		return "", fmt.Errorf("the value was encrypted by StackStorm, and %w: name its key file in secrets.stackstorm_key_file", ErrKey)
	}
	return "", errors.New("this is no encrypted value")
}

// Stale tells whether a ciphertext was made with another than the newest key.
func (k *Keyring) Stale(ciphertext string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	newest, err := k.newest()
	if err != nil {
		return false, err
	}
	prefix := strings.ToUpper(hex.EncodeToString(header) + newest.ID)
	return !strings.HasPrefix(strings.ToUpper(strings.TrimSpace(ciphertext)), prefix), nil
}

// Rotate adds a key, with which everything is encrypted from now on, and returns
// its ID. The older ones stay: see Forget.
func (k *Keyring) Rotate() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.newest(); err != nil {
		return "", err
	}
	added := newKey()
	if err := k.write(append(slices.Clone(k.keys), added), false); err != nil {
		return "", err
	}
	return added.ID, nil
}

// Forget removes all keys but the newest and returns how many.
func (k *Keyring) Forget() (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.newest(); err != nil {
		return 0, err
	}
	old := len(k.keys) - 1
	if old == 0 {
		return 0, nil
	}
	return old, k.write(k.keys[old:], false)
}

// newest returns the key that encrypts, a new one when there is none.
func (k *Keyring) newest() (key, error) {
	err := k.load()
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return key{}, err
	case k.options.File == "":
		return key{}, errors.New("there is no key file to encrypt with")
	case k.options.NoCreate:
		return key{}, fmt.Errorf("there is no key file %s: several processes can share the store, so make one with `petrel key generate FILE`, "+
			"give it to every process and name it in secrets.key_file", k.options.File)
	default:
		if err := k.write([]key{newKey()}, true); err != nil {
			return key{}, err
		}
	}
	return k.keys[len(k.keys)-1], nil
}

func (k *Keyring) open(raw []byte) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.load(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	head := len(header) + idSize
	if len(raw) < head {
		return "", errors.New("the encrypted value is cut off")
	}
	id := hex.EncodeToString(raw[len(header):head])
	i := slices.IndexFunc(k.keys, func(c key) bool { return c.ID == id })
	if i < 0 {
		return "", fmt.Errorf("the value was encrypted with key %s, and %w (in %s)", id, ErrKey, k.options.File)
	}
	aead := k.keys[i].aead
	if len(raw) < head+aead.NonceSize() {
		return "", errors.New("the encrypted value is cut off")
	}
	plain, err := aead.Open(nil, raw[head:head+aead.NonceSize()], raw[head+aead.NonceSize():], raw[:head])
	if err != nil {
		return "", errors.New("the encrypted value was changed or cut off")
	}
	return string(plain), nil
}

// keyFile is the form of a key file.
type keyFile struct {
	Keys []key `json:"keys"` // the last one encrypts
}

// Generate writes a key file with one new key; the file must not exist yet.
func Generate(path string) error {
	k := &Keyring{options: Options{File: path}}
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is there already; it may hold the only key to stored values", path)
	}
	return k.write([]key{newKey()}, true)
}

func newKey() key {
	secret := make([]byte, keySize)
	rand.Read(secret)
	return key{ID: keyID(secret), Created: time.Now().UTC().Truncate(time.Second), AES: base64.StdEncoding.EncodeToString(secret)}
}

func keyID(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:idSize])
}

// load reads the file when it has changed. The error is fs.ErrNotExist when it is
// not there.
func (k *Keyring) load() error {
	if k.options.File == "" {
		return fs.ErrNotExist
	}
	info, err := os.Stat(k.options.File)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && k.keys != nil {
			return fmt.Errorf("the key file %s is gone; put it back", k.options.File)
		}
		return err
	}
	if k.keys != nil && info.ModTime().Equal(k.changed) {
		return nil
	}
	body, err := os.ReadFile(k.options.File)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	keys, err := parseKeys(body)
	if err != nil {
		return fmt.Errorf("key file %s: %w", k.options.File, err)
	}
	k.keys, k.changed = keys, info.ModTime()
	return nil
}

func parseKeys(body []byte) ([]key, error) {
	var f keyFile
	if err := json.Unmarshal(body, &f); err != nil {
		return nil, errors.New("it is not JSON")
	}
	if len(f.Keys) == 0 {
		if _, err := parseStackStormKey(body); err == nil {
			return nil, errors.New("this is a key file of StackStorm, with which Petrel only reads: name it in secrets.stackstorm_key_file")
		}
		return nil, errors.New("it holds no keys")
	}
	for i := range f.Keys {
		c := &f.Keys[i]
		secret, err := base64.StdEncoding.DecodeString(c.AES)
		if err != nil || len(secret) != keySize || keyID(secret) != c.ID {
			return nil, fmt.Errorf("key %d, %q, is damaged", i+1, c.ID)
		}
		block, err := aes.NewCipher(secret)
		if err != nil {
			return nil, err
		}
		if c.aead, err = cipher.NewGCM(block); err != nil {
			return nil, err
		}
	}
	return f.Keys, nil
}

// write puts keys into the file, in one step. With first set the file must not be
// there: when another process made it meanwhile, its keys are taken.
func (k *Keyring) write(keys []key, first bool) error {
	body, err := json.MarshalIndent(keyFile{keys}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode keys: %w", err)
	}
	path := k.options.File
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // mode 0600
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(body, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if first {
		err = os.Link(f.Name(), path)
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
	} else {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	k.keys = nil
	return k.load()
}
