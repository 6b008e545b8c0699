package tests

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"petrel/store/redis"
	"petrel/store/redis/redistest"
)

// chaosTime is for how long a campaign goes on: PETREL_TEST_CHAOS, else 30 s.
func chaosTime(t *testing.T) time.Duration {
	text := os.Getenv("PETREL_TEST_CHAOS")
	if text == "" {
		return 30 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("PETREL_TEST_CHAOS: %v", err)
	}
	return d
}

// campaign is a deployment under load and under attack.
type campaign struct {
	t     *testing.T
	load  *load
	procs []*petrel
	until time.Time

	kills, restarts, stops int
}

// addPack writes a pack into the installation.
func (p *petrel) addPack(name string, files map[string]string) {
	for file, body := range files {
		p.write(body, "packs", name, filepath.FromSlash(file))
	}
}

// attack kills, stops and restarts at random until the time is up. It runs in
// the test's own goroutine.
func (c *campaign) attack(server *redistest.Server) {
	begun := time.Now()
	nextRestart, nextStop := begun.Add(5*time.Second), begun.Add(8*time.Second)
	for time.Now().Before(c.until) {
		time.Sleep(200*time.Millisecond + rand.N(1300*time.Millisecond)) // moments at random are the point
		switch {
		case server != nil && time.Now().After(nextRestart):
			nextRestart = time.Now().Add(15*time.Second + rand.N(30*time.Second))
			server.Kill()
			time.Sleep(rand.N(2 * time.Second))
			server.Restart()
			c.restarts++
		case len(c.procs) > 1 && time.Now().After(nextStop) && time.Until(c.until) > 25*time.Second:
			// Longer than a lease: what it held is given away meanwhile.
			nextStop = time.Now().Add(60*time.Second + rand.N(30*time.Second))
			p := c.procs[rand.IntN(len(c.procs))]
			p.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(20 * time.Second)
			p.cmd.Process.Signal(syscall.SIGCONT)
			c.stops++
		default:
			p := c.procs[rand.IntN(len(c.procs))]
			p.kill()
			p.spawn()
			c.kills++
		}
	}
	for _, p := range c.procs {
		select {
		case <-p.exited: // by itself meanwhile
			c.t.Errorf("a process ended by itself:\n%s", tail(p.log.String(), 5))
			p.spawn()
		default:
		}
		p.awaitUp()
	}
}

// run puts the deployment under load and attack, and waits until it has settled.
func (c *campaign) run(server *redistest.Server, chat, api *petrel) {
	more := func(int) bool { return time.Now().Before(c.until) }
	var inputs sync.WaitGroup
	inputs.Go(func() { c.load.say(chat, more) })
	inputs.Go(func() { c.load.post(chat, api, more) })
	c.attack(server)
	attacked := time.Now()
	inputs.Wait()
	c.t.Logf("inputs took %s more", time.Since(attacked).Round(time.Millisecond))
	c.load.settle(2 * time.Minute)
	c.t.Logf("settled %s after the last attack", time.Since(attacked).Round(time.Millisecond))
}

func TestChaosSQLite(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	var err error
	if p.bin, err = jumping(); err != nil {
		t.Fatal(err)
	}
	c := &campaign{t: t, load: &load{t: t, marks: p.file("marks")}, procs: []*petrel{p}}
	p.addPack("load", c.load.pack())
	p.start()
	c.until = time.Now().Add(chaosTime(t))
	c.run(nil, p, p)
	p.stop()
	t.Logf("SQLite, %d kills: %s", c.kills, c.load.audit(openSQLite(t, p.file("data", "petrel.db"))))
}

func TestChaosRedis(t *testing.T) {
	// With everysec a Redis that is killed may lose what it acknowledged in the last
	// two seconds, while a sync is under way.
	server := redistest.Start(t, "--appendfsync", "always")
	url := server.URL("chaos")
	shifty, err := jumping()
	if err != nil {
		t.Fatal(err)
	}
	c := &campaign{t: t, load: &load{t: t, marks: filepath.Join(t.TempDir(), "marks")}}
	for _, roles := range []string{"chat", "api", "rules", "rules", "workers", "workers", "timers", "timers"} {
		p := install(t, fmt.Sprintf("packs: [packs]\nstore: %s\nroles: [%s]\nnode: %s\n", url, roles, roles))
		p.addPack("load", c.load.pack())
		p.bin = shifty
		c.procs = append(c.procs, p)
	}
	for _, p := range c.procs {
		p.spawn()
	}
	chat, api := c.procs[0], c.procs[1]
	api.awaitReady()
	c.until = time.Now().Add(chaosTime(t))
	c.run(server, chat, api)
	b, err := redis.Open(context.Background(), url, redis.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	// The timers first: what they have set off is worked off before the rest ends.
	slices.Reverse(c.procs)
	for i, p := range c.procs {
		if i == 2 {
			c.load.drain(b)
		}
		if _, code := p.stop(); code != 0 {
			t.Errorf("a process gave exit code %d", code)
		}
	}
	t.Logf("Redis, %d processes, %d kills, %d Redis restarts, %d stops of 20 s: %s",
		len(c.procs), c.kills, c.restarts, c.stops, c.load.audit(b))
}
