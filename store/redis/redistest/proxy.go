//go:build unix

package redistest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy stands between a client and a server and spoils what passes.
type Proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[net.Conn]bool
	delay time.Duration
	cut   func(reply []byte) bool
	shut  bool
	wg    sync.WaitGroup
}

// StartProxy listens on a spare loopback port for connections to target.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.Refuse(true)
		p.wg.Wait()
	})
	return p
}

// Address is host:port.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Delay holds every reply back for so long.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// CutWhen drops the connection, instead of delivering a reply, when the function
// says so: the server has carried the command out, the client does not hear of it.
func (p *Proxy) CutWhen(f func(reply []byte) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = f
}

// Drop ends all connections at once.
func (p *Proxy) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Refuse ends all connections and, as long as it is on, each new one.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	p.shut = on
	p.mu.Unlock()
	if on {
		p.Drop()
	}
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.carry(c) })
	}
}

func (p *Proxy) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.register(client, server) {
		return
	}
	defer p.forget(client, server)
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	both.Go(func() {
		_ = p.replies(client, server)
		_ = client.Close()
	})
	both.Wait()
}

func (p *Proxy) register(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
	}
	return !p.shut
}

func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// replies carries what the server says.
func (p *Proxy) replies(client, server net.Conn) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return err
		}
		p.mu.Lock()
		delay, cut := p.delay, p.cut
		p.mu.Unlock()
		if cut != nil && cut(buf[:n]) {
			return errors.New("cut")
		}
		if delay > 0 {
			time.Sleep(delay) // this is what it is for
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return err
		}
	}
}
