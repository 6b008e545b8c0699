package tests

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/bot/webhooks"
	"petrel/engine/pipeline"
)

// guarded is a configuration with a webhook of several schemes, and the guards
// that sign as its senders do.
func guarded() (config string, guards map[string]webhooks.Guard) {
	guards = map[string]webhooks.Guard{
		"github": {Scheme: "github"}, "gitlab": {Scheme: "gitlab"}, "slack": {Scheme: "slack"}, "pagerduty": {Scheme: "pagerduty"},
		"stripe": {Scheme: "stripe"}, "standard": {Scheme: "standard"}, "alertmanager": {Scheme: "alertmanager"}, "grafana": {Scheme: "grafana"},
		"basic": {Scheme: "basic", User: "ann"}, "header": {Scheme: "header", Header: "X-Key"},
		"hmac": {Scheme: "hmac", Header: "X-Sig", Prefix: "v9=", Algorithm: "sha512", Encoding: "base64", TimestampHeader: "X-Time"},
	}
	var b strings.Builder
	b.WriteString("http:\n  max_body: 4KiB\npacks: [packs]\nwebhooks:\n")
	for name, g := range guards {
		g.Secrets = []string{"s3cret of " + name}
		guards[name] = g
		fmt.Fprintf(&b, "  - {url: %s, scheme: %s, secret: %q, user: %q, header: %q, prefix: %q, algorithm: %q, encoding: %q, timestamp_header: %q}\n",
			name, g.Scheme, g.Secrets[0], g.User, g.Header, g.Prefix, g.Algorithm, g.Encoding, g.TimestampHeader)
	}
	b.WriteString("  - {url: elsewhere, allow_from: [192.0.2.0/24]}\n")
	return b.String(), guards
}

func (p *petrel) writeHookPack(hooks ...string) {
	p.write("ref: hooks\nname: hooks\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: webhooks\n", "packs", "hooks", "pack.yaml")
	for _, hook := range hooks {
		p.write(fmt.Sprintf("name: %[1]s\nenabled: true\ntrigger: {type: core.st2.webhook, parameters: {url: %[1]s}}\naction: {ref: core.noop}\n", hook), "packs", "hooks", "rules", hook+".yaml")
	}
}

// deliver sends a request as it is and returns the status and what was answered.
func (p *petrel) deliver(hook string, header http.Header, body []byte) (int, string, http.Header) {
	p.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+p.addr+"/api/v1/webhooks/"+hook, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if req.Header = header.Clone(); header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, text.String(), resp.Header
}

// TestSignedWebhooks gives every scheme a right, a wrong, a stale, a replayed and
// an oversized request.
func TestSignedWebhooks(t *testing.T) {
	config, guards := guarded()
	p := install(t, strings.TrimPrefix(config, "http:\n  max_body: 4KiB\n"))
	names := []string{"elsewhere"}
	for name := range guards {
		names = append(names, name)
	}
	p.writeHookPack(names...)
	p.start()
	body := []byte(`{"n": 1}`)
	for name, g := range guards {
		signed := func(secret, delivery string, when time.Time) http.Header {
			g := g
			g.Secrets = []string{secret}
			h := http.Header{}
			if err := g.Sign(h, body, delivery, when); err != nil {
				t.Fatal(err)
			}
			return h
		}
		now := time.Now()
		right := signed(g.Secrets[0], "d1", now)
		status, answer, first := p.deliver(name, right, body)
		if status != http.StatusAccepted {
			t.Errorf("%s, right: %d %s", name, status, answer)
		}
		if status, answer, again := p.deliver(name, right, body); status != http.StatusAccepted {
			t.Errorf("%s, replayed: %d %s", name, status, answer)
		} else if id := "X-Petrel-Trigger-Instance"; timedOrNumbered(g) && again.Get(id) != first.Get(id) {
			t.Errorf("%s: a replayed request made another trigger instance", name)
		}
		if status, answer, _ := p.deliver(name, signed("guessed", "d2", now), body); status != http.StatusUnauthorized || strings.Contains(answer, "s3cret") {
			t.Errorf("%s, wrong secret: %d %s", name, status, answer)
		}
		if status, _, _ := p.deliver(name, http.Header{}, body); status != http.StatusUnauthorized {
			t.Errorf("%s, unsigned: %d", name, status)
		}
		if slices.Contains([]string{"slack", "stripe", "standard", "hmac"}, name) {
			if status, answer, _ := p.deliver(name, signed(g.Secrets[0], "d3", now.Add(-10*time.Minute)), body); status != http.StatusUnauthorized || !strings.Contains(answer, "signed") {
				t.Errorf("%s, stale: %d %s", name, status, answer)
			}
		}
		if status, answer, _ := p.deliver(name, right, bytes.Repeat([]byte(" "), 2<<20)); status != http.StatusBadRequest || !strings.Contains(answer, "larger than") {
			t.Errorf("%s, oversized: %d %s", name, status, answer)
		}
	}
	if status, _, _ := p.deliver("elsewhere", http.Header{}, body); status != http.StatusForbidden {
		t.Errorf("from an address that may not call: %d", status)
	}
	if out, code := p.run("", "webhook", "test", "github", "--sample", "github-push"); code != 0 || !strings.Contains(out, "Taken after") {
		t.Errorf("webhook test: %d %s", code, out)
	}
	if out, code := p.run("", "webhook", "test", "nowhere"); code != 1 || !strings.Contains(out, "there is no webhook") {
		t.Errorf("webhook test of none: %d %s", code, out)
	}
	if out, code := p.run("", "webhook", "list"); code != 0 || !strings.Contains(out, "pagerduty") || strings.Contains(out, "s3cret") {
		t.Errorf("webhook list: %d %s", code, out)
	}
	p.kill()
	b := openSQLite(t, p.file("data", "petrel.db"))
	for _, d := range all(t, b, pipeline.Instances) {
		if strings.Contains(string(d.Value.Payload), "s3cret") {
			t.Errorf("a secret is in the payload of a trigger instance: %s", d.Value.Payload)
		}
	}
}

// timedOrNumbered reports whether a replay can be told from a second event.
func timedOrNumbered(g webhooks.Guard) bool {
	return !slices.Contains([]string{"alertmanager", "grafana", "basic", "header"}, g.Scheme)
}

// TestWebhookBurst posts from 50 connections at once: every post that was
// accepted has its trigger instance and its enforcement, none twice. The number
// of posts is PETREL_TEST_BURST, 2000 when unset; rate and latency are printed.
func TestWebhookBurst(t *testing.T) {
	posts, connections := 2000, 50
	if n, err := strconv.Atoi(os.Getenv("PETREL_TEST_BURST")); err == nil {
		posts = n
	}
	p := install(t, "packs: [packs]\n")
	p.writeHookPack("burst")
	p.start()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	var (
		mu       sync.Mutex
		accepted = map[string]string{} // trigger instance by post
		took     []time.Duration
		senders  sync.WaitGroup
		next     = make(chan int)
	)
	began := time.Now()
	for range connections {
		senders.Go(func() {
			for n := range next {
				start := time.Now()
				resp, err := client.Post("http://"+p.addr+"/api/v1/webhooks/burst", "application/json", strings.NewReader(fmt.Sprintf(`{"n": %d}`, n)))
				if err != nil {
					t.Errorf("post %d: %v", n, err)
					continue
				}
				resp.Body.Close()
				mu.Lock()
				took = append(took, time.Since(start))
				if resp.StatusCode/100 == 2 {
					accepted[resp.Header.Get("X-Petrel-Trigger-Instance")] = strconv.Itoa(n)
				} else if resp.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("post %d: %s", n, resp.Status)
				}
				mu.Unlock()
			}
		})
	}
	for n := range posts {
		next <- n
	}
	close(next)
	senders.Wait()
	spent := time.Since(began)
	client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := retry(ctx, func() error {
		if ended := strings.Count(p.log.String(), "action ended"); ended < len(accepted) {
			return fmt.Errorf("%d of %d actions have ended", ended, len(accepted))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	b := openSQLite(t, p.file("data", "petrel.db"))
	instances := map[string]int{}
	for _, d := range all(t, b, pipeline.Instances) {
		instances[d.ID]++
	}
	enforcements := map[string]int{}
	for _, d := range all(t, b, pipeline.Enforcements) {
		enforcements[d.Value.TriggerInstanceID]++
	}
	for id, n := range accepted {
		if instances[id] != 1 || enforcements[id] != 1 {
			t.Errorf("post %s: %d instances, %d enforcements", n, instances[id], enforcements[id])
		}
	}
	if len(instances) != len(accepted) {
		t.Errorf("%d instances for %d accepted posts", len(instances), len(accepted))
	}
	slices.Sort(took)
	t.Logf("%d posts from %d connections, %d accepted: %.0f/s, p50 %s, p99 %s, longest %s", posts, connections, len(accepted),
		float64(posts)/spent.Seconds(), took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}
