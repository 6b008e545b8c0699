package ssh

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"petrel/engine/runners"
)

// login is how we present ourselves.
type login struct {
	user    string
	methods []ssh.AuthMethod
}

// readLogin reads the user and, in StackStorm's order, the password, the private
// key, or the key of the options.
func (t *task) readLogin(job runners.Job) error {
	user, err := runners.TextParam(job.Runner, "username")
	if err != nil {
		return err
	}
	if t.login.user = user; user == "" {
		t.login.user = t.options.User
	}
	password, err := runners.TextParam(job.Runner, "password")
	if err != nil {
		return err
	}
	if password != "" {
		t.login.methods = []ssh.AuthMethod{ssh.Password(password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				return slices.Repeat([]string{password}, len(questions)), nil
			})}
		return nil
	}
	key, err := runners.TextParam(job.Runner, "private_key")
	if err != nil {
		return err
	}
	passphrase, err := runners.TextParam(job.Runner, "passphrase")
	if err != nil {
		return err
	}
	if key == "" {
		key = t.options.KeyFile
	}
	if key == "" {
		return errors.New("there is nothing to log in with: give the parameter password or private_key, or put a key into ~/.ssh")
	}
	signer, err := parseKey(key, passphrase)
	if err != nil {
		return err
	}
	t.login.methods = []ssh.AuthMethod{ssh.PublicKeys(signer)}
	return nil
}

// parseKey reads a private key, given itself or as a path. Its errors show
// nothing of it.
func parseKey(key, passphrase string) (ssh.Signer, error) {
	material, name := []byte(key), "parameter private_key"
	if !strings.Contains(key, "PRIVATE KEY-----") {
		var err error
		if material, err = os.ReadFile(key); err != nil {
			if strings.ContainsAny(key, "\n") {
				return nil, errors.New("parameter private_key is neither a private key (-----BEGIN ... PRIVATE KEY-----) nor the path of one")
			}
			return nil, fmt.Errorf("private key: %w", err)
		}
		name = "private key " + key
	}
	signer, err := ssh.ParsePrivateKey(material)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if passphrase == "" {
			return nil, fmt.Errorf("%s is encrypted: give the parameter passphrase", name)
		}
		if signer, err = ssh.ParsePrivateKeyWithPassphrase(material, []byte(passphrase)); err != nil {
			return nil, fmt.Errorf("%s does not open with the passphrase", name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: it must be in PEM or OpenSSH form", name)
	}
	return signer, nil
}

// dialFunc opens a connection to host:port.
type dialFunc func(ctx context.Context, address string) (net.Conn, error)

// dialer is how hosts are reached: directly, or through the bastion, to which
// one connection is made when the first host asks for it.
func (t *task) dialer(ctx context.Context) (dial dialFunc, closeAll func()) {
	direct := func(ctx context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if t.bastion == nil {
		return direct, func() {}
	}
	bastion := sync.OnceValues(func() (*ssh.Client, error) {
		client, err := t.connect(ctx, *t.bastion, direct)
		if err != nil {
			return nil, fmt.Errorf("bastion %s: %w", t.bastion.address, err)
		}
		return client, nil
	})
	used := false
	var mu sync.Mutex
	dial = func(ctx context.Context, address string) (net.Conn, error) {
		mu.Lock()
		used = true
		mu.Unlock()
		client, err := bastion()
		if err != nil {
			return nil, err
		}
		conn, err := client.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("through bastion %s: %w", t.bastion.address, err)
		}
		return conn, nil
	}
	return dial, func() {
		mu.Lock()
		defer mu.Unlock()
		if !used {
			return
		}
		if client, err := bastion(); err == nil {
			client.Close()
		}
	}
}

// connect logs in to a host.
func (t *task) connect(ctx context.Context, h host, dial dialFunc) (*ssh.Client, error) {
	slow := fmt.Errorf("no login within %s", t.options.ConnectTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, t.options.ConnectTimeout, slow)
	defer cancel()
	config, err := t.config(h)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, h.address)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	release := context.AfterFunc(ctx, func() { conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(conn, h.address, config)
	if !release() && err == nil {
		c.Close()
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, explainLogin(err, h)
	}
	client := ssh.NewClient(c, channels, requests)
	go keepAlive(client)
	return client, nil
}

const (
	keepAliveEvery = 15 * time.Second
	keepAliveWait  = 30 * time.Second
)

// keepAlive closes a connection whose other end is gone without a word. It ends
// with the connection.
func keepAlive(c *ssh.Client) {
	ended := make(chan struct{})
	go func() {
		c.Wait()
		close(ended)
	}()
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		silent := time.AfterFunc(keepAliveWait, func() { c.Close() })
		_, _, err := c.SendRequest("keepalive@openssh.com", true, nil)
		silent.Stop()
		if err != nil {
			return
		}
	}
}

// config is the client's configuration for a host: who we are, and which keys
// the host may show.
func (t *task) config(h host) (*ssh.ClientConfig, error) {
	c := &ssh.ClientConfig{User: t.login.user, Auth: t.login.methods, HostKeyCallback: ssh.InsecureIgnoreHostKey()}
	if t.options.IgnoreHostKeys {
		return c, nil
	}
	files := slices.DeleteFunc(slices.Clone(t.options.KnownHosts), func(f string) bool { return !isFile(f) })
	if len(files) == 0 {
		return nil, fmt.Errorf("the key of %s cannot be checked: there is no file %s; make one with ssh-keyscan, or switch the check off in the configuration",
			h.address, strings.Join(t.options.KnownHosts, " or "))
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return nil, fmt.Errorf("read known hosts: %w", err)
	}
	c.HostKeyCallback = check
	c.HostKeyAlgorithms, err = knownAlgorithms(check, h.address)
	return c, err
}

// knownAlgorithms lists the algorithms of the keys that are known of a host, so
// that it shows one of these and not a key of another kind.
func knownAlgorithms(check ssh.HostKeyCallback, address string) ([]string, error) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	stranger, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	var mismatch *knownhosts.KeyError
	if !errors.As(check(address, &net.TCPAddr{}, stranger), &mismatch) || len(mismatch.Want) == 0 {
		return nil, nil // the default
	}
	var algorithms []string
	for _, known := range mismatch.Want {
		kind := known.Key.Type()
		if kind == ssh.KeyAlgoRSA {
			algorithms = append(algorithms, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		}
		algorithms = append(algorithms, kind)
	}
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		if strings.Contains(a, "-cert-") {
			algorithms = append(algorithms, a) // known by their authority
		}
	}
	return algorithms, nil
}

// explainLogin says in words for people why a host did not let us in.
func explainLogin(err error, h host) error {
	var key *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		return fmt.Errorf("the key of the host was revoked (%s:%d)", revoked.Revoked.Filename, revoked.Revoked.Line)
	case errors.As(err, &key) && len(key.Want) == 0:
		return fmt.Errorf("the key of the host is not known; check it and add it to the known hosts, for example with ssh-keyscan")
	case errors.As(err, &key):
		return fmt.Errorf("the host shows another key than the known one (%s:%d): it was set up anew, or somebody else answers in its place",
			key.Want[0].Filename, key.Want[0].Line)
	}
	// What a host says that has no questions for keyboard-interactive.
	if strings.Contains(err.Error(), "unexpected message type 51") {
		return errors.New("unable to authenticate: the host does not take this password")
	}
	return err
}
