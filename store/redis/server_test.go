//go:build unix

package redis

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"petrel/store"
	"petrel/store/redis/redistest"
	"petrel/store/storetest"
)

func TestAddresses(t *testing.T) {
	for _, tc := range []struct {
		url    string
		prefix string
		says   string // the error, when there must be one
	}{
		{"redis://localhost", "petrel", ""},
		{"rediss://u:p@h:1/2?prefix=x&wait_replicas=2&read_timeout=1s", "x", ""},
		{"unix:///run/redis.sock?prefix=y", "y", ""},
		{"redis://h?master_name=m&addr=h2:1", "petrel", ""},
		{"redis://h:1?cluster=true&addr=h:2", "petrel", ""},
		{"http://h", "", "scheme"},
		{"redis://h?prefix=", "", "prefix"},
		{"redis://h?prefix={a}", "", "without braces"},
		{"redis://h?wait_replicas=some", "", "want a number"},
		{"redis://h?cluster=maybe", "", "want true or false"},
		{"redis://h?cluster=true&wait_replicas=1", "", "neither"},
		{"redis://h?colour=red", "", "colour"},
		{"redis://u:secret@h:port", "", "port"},
	} {
		a, err := parseAddress(tc.url)
		if tc.says == "" {
			if err != nil || a.prefix != tc.prefix {
				t.Errorf("%s: %+v, %v", tc.url, a, err)
			}
			continue
		}
		if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v, want one about %q", tc.url, err, tc.says)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the password: %v", tc.url, err)
		}
	}
	a, err := parseAddress("redis://u:secret@h:1/0")
	if err != nil || strings.Contains(a.String(), "secret") {
		t.Errorf("%s, %v", a, err)
	}
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"6.2.0": true, "6.2": true, "7.0.15": true, "8.4.0": true, "10.0.1": true,
		"6.0.16": false, "5.0.14": false, "": false, "unknown": false,
	} {
		if got := atLeast(version, 6, 2); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

// TestOpenRefuses: what Open must tell apart.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	start := time.Now()
	if _, err := Open(t.Context(), "redis://127.0.0.1:1/0", Options{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("nobody there: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("nobody there: told after %v", took)
	}
	s.Must("HSET {newer:0}:meta schema 3")
	if _, err := Open(t.Context(), s.URL("newer"), Options{}); !errors.Is(err, store.ErrNewer) || errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "schema version 3") {
		t.Errorf("newer data: %v", err)
	}
	s.Must("CONFIG SET requirepass secret")
	defer func() { // over the connection that knows it, so that the helper works again
		b := open(t, fmt.Sprintf("redis://:secret@%s/0", s.Address()), Options{})
		if err := b.rdb.ConfigSet(t.Context(), "requirepass", "").Err(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := Open(t.Context(), s.URL("any"), Options{}); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without password: %v", err)
	}
}

// TestWarnings: settings under which accepted work can be lost.
func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{nil, nil},
		{[]string{"--appendonly", "no"}, []string{"appendonly no"}},
		{[]string{"--appendfsync", "no"}, []string{"appendfsync no"}},
		{[]string{"--maxmemory-policy", "allkeys-lru", "--appendonly", "no"}, []string{"appendonly no", "maxmemory-policy allkeys-lru"}},
	} {
		var log bytes.Buffer
		s := redistest.Start(t, tc.args...)
		open(t, s.URL("p"), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if n := strings.Count(log.String(), "level=WARN"); n != len(tc.want) {
			t.Errorf("%v: %d warnings, want %d:\n%s", tc.args, n, len(tc.want), log.String())
		}
		for _, w := range tc.want {
			if !strings.Contains(log.String(), w) {
				t.Errorf("%v: no warning of %q:\n%s", tc.args, w, log.String())
			}
		}
	}
}

// TestAccessList: a user with no more rights than docs/operations.md asks for.
func TestAccessList(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Must("ACL SETUSER petrel on >secret ~{mine:0}:* &* +@all -@admin -@dangerous +info")
	var log bytes.Buffer
	url := func(prefix string) string {
		return fmt.Sprintf("redis://petrel:secret@%s/0?prefix=%s", s.Address(), prefix)
	}
	b := open(t, url("mine"), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	commit(t, b, &store.Batch{
		Puts:   []store.Put{{Collection: "c", ID: "x", Index: []store.IndexEntry{{Index: "i", Value: "v"}}}},
		Pushes: []store.Push{{Queue: "q", ID: "x"}}, Events: []store.Event{{Type: "t"}},
	})
	commit(t, b, &store.Batch{Acks: []store.Item{take(t, b, time.Minute)}})
	if _, err := b.sweepConsumers(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "could not be read") {
		t.Errorf("the log does not say that settings were not checked:\n%s", log.String())
	}
	if _, err := Open(t.Context(), url("others"), Options{}); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("somebody else's keys: %v", err)
	}
}

// TestSweep: consumers that are gone are removed once they hold nothing.
func TestSweep(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL("p"), Options{})
	commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "1"}, {Queue: "q", ID: "2"}}})
	lease := func(holder string) store.Item {
		items, err := b.Lease(t.Context(), store.LeaseRequest{Queue: "q", Holder: holder, Max: 1, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return items[0]
	}
	holding, idle := lease("holding"), lease("idle")
	commit(t, b, &store.Batch{Acks: []store.Item{idle}})
	consumers := func() string {
		list, err := b.rdb.XInfoConsumers(t.Context(), b.prefix+"s:q:0", "petrel").Result()
		if err != nil {
			t.Fatal(err)
		}
		names := ""
		for _, c := range list {
			names += c.Name + " "
		}
		return names
	}
	if n, err := b.sweepConsumers(t.Context(), time.Hour); err != nil || n != 0 {
		t.Fatalf("swept %d that are not idle for long, %v", n, err)
	}
	if n, err := b.sweepConsumers(t.Context(), 0); err != nil || n == 0 || consumers() != "holding " {
		t.Fatalf("swept %d, left are %s, %v", n, consumers(), err)
	}
	commit(t, b, &store.Batch{Acks: []store.Item{holding}})
}

// TestLayout: streams hold ids, not bodies; nothing is left of what is done.
func TestLayout(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL("p"), Options{})
	large := make([]byte, 5000) // that does not shrink
	if _, err := rand.Read(large); err != nil {
		t.Fatal(err)
	}
	commit(t, b, &store.Batch{Pushes: []store.Push{
		{Queue: "q", ID: "1", Body: large}, {Queue: "q", ID: "2", Group: "g", Body: large}, {Queue: "q", ID: "3", Group: "g", Body: large},
		{Queue: "q", ID: "4", Body: large, At: time.Now().Add(50 * time.Millisecond)},
	}})
	for range 4 {
		it := take(t, b, time.Minute)
		if !bytes.Equal(it.Body, large) {
			t.Fatalf("%s: %d bytes", it.ID, len(it.Body))
		}
		if err := b.Release(t.Context(), it, 0, true); err != nil {
			t.Fatal(err)
		}
		if it = take(t, b, time.Minute); !bytes.Equal(it.Body, large) || it.Deliveries != 1 {
			t.Fatalf("%s after a release: %d bytes, delivered %d times", it.ID, len(it.Body), it.Deliveries)
		}
		entries, err := b.rdb.XRange(t.Context(), b.prefix+"s:q:0", "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			for name, value := range e.Values {
				if text, _ := value.(string); len(text) > 100 {
					t.Errorf("field %s of a stream entry has %d bytes", name, len(text))
				}
			}
		}
		commit(t, b, &store.Batch{Acks: []store.Item{it}})
	}
	for key, size := range map[string]string{"ib:q": "HLEN", "du:q": "ZCARD", "g:q:g": "LLEN", "s:q:0": "XLEN"} {
		if reply := s.Must(fmt.Sprintf("%s {p:0}:%s", size, key)); reply != ":0" {
			t.Errorf("%s is left with %s entries", key, reply)
		}
	}
}

// TestCluster runs the contract on a cluster of one node, which refuses a script
// that leaves its slot.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("the contract on a cluster is left out with -short")
	}
	t.Parallel()
	s := redistest.Start(t, "--cluster-enabled", "yes")
	s.Must("CLUSTER ADDSLOTSRANGE 0 16383")
	waitFor(t, "the cluster", func() bool {
		info, err := s.Ask("CLUSTER INFO")
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
	t.Run("Alone", func(t *testing.T) {
		storetest.Run(t, storetest.Harness{
			Place: func(testing.TB) string { return s.URL(place()) + "&cluster=true" },
			Open:  openAddress,
		})
	})
}

// TestEncrypted connects over TLS and checks the server's certificate.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := selfSigned(t, dir)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	redistest.Start(t, "--tls-port", fmt.Sprint(port), "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	url := fmt.Sprintf("rediss://127.0.0.1:%d/0", port)
	b := open(t, url+"?skip_verify=true", Options{})
	commit(t, b, &store.Batch{Events: []store.Event{{Type: "t"}}})
	if _, err := Open(t.Context(), url, Options{}); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
}

func selfSigned(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", private)
}

// TestPromptShutdown: Close does not wait for the blocking read, nor for a server
// that has stopped answering.
func TestPromptShutdown(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	for _, paused := range []bool{false, true} {
		b, err := Open(t.Context(), s.URL("p"), Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if paused {
			s.Pause()
		}
		waiting := make(chan error, 1)
		go func() {
			_, err := b.Lease(t.Context(), store.LeaseRequest{Queue: "q", Holder: "h", Max: 1, TTL: time.Minute})
			waiting <- err
		}()
		time.Sleep(100 * time.Millisecond) // the request is under way, or the answer was empty
		start := time.Now()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-waiting; !errors.Is(err, store.ErrClosed) {
			t.Errorf("server paused %v: a waiting Lease returned %v", paused, err)
		}
		if took := time.Since(start); took > closeGrace+time.Second {
			t.Errorf("server paused %v: closing took %v", paused, took)
		}
		s.Resume()
	}
}
