package tests

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"petrel/adapters/terminal"
	"petrel/store/redis/redistest"
)

// An installation moves from SQLite to Redis with its history, its large
// results, its memory of deliveries and the work that waits.
func TestMoveToRedis(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	l := &load{t: t, marks: p.file("marks")}
	p.addPack("load", l.pack())
	p.start()
	ann := p.sit("ann", "#general")
	if state, _ := ann.answer("1", "!run head -c 200000 /dev/zero | tr '\\0' x on localhost"); state != "succeeded" {
		t.Fatalf("a large result: %s", state)
	}
	if err := postMark(p.addr, 7, "#general"); err != nil {
		t.Fatal(err)
	}
	ann.say("2", "!run echo it has begun; sleep 600 on localhost")
	ann.await(30*time.Second, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		for _, e := range entries {
			if e.Message != nil && strings.Contains(wordsOf(e), "it has begun") {
				return nil
			}
		}
		return errors.New("no card with the output so far")
	})
	p.kill() // in the middle of an action
	server := redistest.Start(t)
	url := server.URL("moved")
	out, code := p.run("", "store", "copy", "--from", "sqlite:data/petrel.db", "--to", url)
	if code != 0 || !strings.Contains(out, "1 large results") {
		t.Fatalf("copy: exit code %d\n%s", code, out)
	}
	if out, code := p.run("", "store", "copy", "--from", "sqlite:data/petrel.db", "--to", url); code != 1 || !strings.Contains(out, "holds data already") {
		t.Errorf("copy again: exit code %d\n%s", code, out)
	}
	p.write(p.read("petrel.yaml")+"store: "+url+"\n", "petrel.yaml")
	p.start()
	ann.await(60*time.Second, func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error {
		if n := len(finals(entries)[said["1"].ID]); n != 1 {
			return fmt.Errorf("the old command has %d last words", n)
		}
		last := finals(entries)[said["2"].ID]
		if len(last) != 1 || !strings.Contains(wordsOf(last[0]), "status : abandoned") {
			return fmt.Errorf("last words on the action that was running: %+v", last)
		}
		return nil
	})
	if state, words := ann.answer("3", "!run echo moved on localhost"); state != "succeeded" || !strings.Contains(words, "moved") {
		t.Errorf("%s: %s", state, words)
	}
	if err := postMark(p.addr, 7, "#general"); err != nil { // a late repeat
		t.Fatal(err)
	}
	if n := l.effects()["webhook-7"]; n != 1 {
		t.Errorf("the webhook left %d lines", n)
	}
	out, code = p.run("", "node", "list")
	if code != 0 || !strings.Contains(out, "alive") {
		t.Errorf("node list: exit code %d\n%s", code, out)
	}
}

// While Redis is away, commands and webhooks are refused clearly, and what was
// taken goes on when it is back.
func TestRedisAway(t *testing.T) {
	server := redistest.Start(t)
	p := install(t, "store: "+server.URL("away")+"\n")
	p.start()
	ann := p.sit("ann", "#general")
	ann.say("1", "!run sleep 2; echo through on localhost")
	ann.await(30*time.Second, func(_ map[string]terminal.Entry, said map[string]terminal.Frame) error {
		if said["1"].ID == "" {
			return fmt.Errorf("the line was not taken")
		}
		return nil
	})
	server.Kill()
	body := []byte(`{"alerts":[],"status":"firing"}`)
	if got := p.post("alertmanager", "application/json", body, http.StatusServiceUnavailable); !strings.Contains(got, "busy") {
		t.Errorf("webhook while Redis is away: %s", got)
	}
	resp, err := http.Get("http://" + p.addr + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readyz while Redis is away: %s", resp.Status)
	}
	time.Sleep(4 * time.Second) // the action ends while nobody can take note of it
	server.Restart()
	ann.await(time.Minute, func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error {
		last := finals(entries)[said["1"].ID]
		if len(last) != 1 || !strings.Contains(wordsOf(last[0]), "stdout : through") {
			return fmt.Errorf("last words: %+v", last)
		}
		return nil
	})
	p.post("alertmanager", "application/json", body, http.StatusAccepted)
}
