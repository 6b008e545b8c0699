package tests

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/adapters/discord"
	"petrel/adapters/mattermost"
	"petrel/adapters/terminal"
	fakediscord "petrel/tests/fakes/discord"
	fakemattermost "petrel/tests/fakes/mattermost"
	fakeslack "petrel/tests/fakes/slack"
	fiction "petrel/tests/fakes/terminal"
)

// TestScenarios plays every scenario on every platform.
func TestScenarios(t *testing.T) {
	for _, platform := range []struct {
		name string
		set  func(t *testing.T) *stage
	}{
		{"terminal", onTerminal}, {"slack", onSlack}, {"mattermost", onMattermost}, {"discord", onDiscord},
	} {
		t.Run(platform.name, func(t *testing.T) {
			t.Parallel()
			playAll(t, platform.set)
		})
	}
}

// rehearse installs the program with the pack of the scenarios. What it notes
// goes into the file "done" of the installation.
func rehearse(t *testing.T) *petrel {
	t.Helper()
	p := install(t, "packs: [packs]\npeople:\n  bob: {groups: [ops]}\n")
	pack := os.DirFS(filepath.Join("scenarios", "pack"))
	if err := fs.WalkDir(pack, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(pack, path)
		if err == nil {
			p.write(strings.ReplaceAll(string(body), "$STAGE_DIR", p.dir), "packs", "stage", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return p
}

// connect writes the configuration of a platform and starts the program.
func (p *petrel) connect(config string, args ...any) {
	p.t.Helper()
	p.write(p.read("petrel.yaml")+fmt.Sprintf(config, args...), "petrel.yaml")
	p.start()
}

// audience is a Harness whose adapter is in the program: Close ends that first,
// lest it tries to come back for ever.
type audience struct {
	adaptertest.Harness
	adaptertest.Controls
	program *petrel
}

func (a audience) Close() {
	a.program.kill()
	a.Harness.Close()
}

// able are the capabilities of the adapter that make gives.
func able(t *testing.T, a adapters.Adapter, err error) adapters.Capabilities {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return a.Capabilities()
}

func onTerminal(t *testing.T) *stage {
	p := rehearse(t)
	p.start()
	people := parlour{fiction.NewPeople(filepath.Join(p.dir, "data", "petrel.sock"))}
	return &stage{Harness: audience{people, people, p}, program: p, able: terminal.New(terminal.Options{Journal: &terminal.MemoryJournal{}}).Capabilities(), faults: cutter{people}}
}

// parlour is the terminal as a Harness; the adapter is in the program.
type parlour struct{ *fiction.People }

func (parlour) Adapter() adapters.Adapter { return nil }
func (parlour) Renew() adapters.Adapter   { return nil }
func (parlour) Slow(time.Duration)        {}
func (r parlour) Close()                  { r.Leave() }

// cutter is the one fault of a terminal: its sessions break.
type cutter struct{ people parlour }

func (c cutter) Drop() { c.people.Drop(context.Background()) }

func onSlack(t *testing.T) *stage {
	s := fakeslack.Start(fakeslack.Options{})
	s.OnlyCommands("petrel")
	p := rehearse(t)
	p.connect("chat:\n  slack: {bot_token: %s, app_token: %s, api_url: %q}\n", s.BotToken, s.AppToken, s.APIURL())
	h := fakeslack.NewHarness(s, false, nil)
	return &stage{Harness: audience{h, h, p}, program: p, able: slackAdapter(t, s).Capabilities(), faults: s}
}

func onMattermost(t *testing.T) *stage {
	s, err := fakemattermost.New(fakemattermost.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := rehearse(t)
	h := fakemattermost.NewPeople(s, "http://"+p.addr+"/chat/mattermost")
	p.connect("%s", mattermostConfig(h.Access))
	a, err := mattermost.New(mattermost.Options{
		URL: h.Access.URL, Token: h.Access.Token, CommandTokens: h.Access.CommandTokens, CallbackURL: h.Access.CallbackURL,
	})
	return &stage{Harness: audience{h, h, p}, program: p, able: able(t, a, err), faults: s}
}

func onDiscord(t *testing.T) *stage {
	s := fakediscord.Start(fakediscord.Options{Heartbeat: time.Second})
	p := rehearse(t)
	h := fakediscord.NewHarness(s, func(*fakediscord.Server) adapters.Adapter { return nil })
	p.connect("chat:\n  discord: {token: %s, message_content: true, api_url: %q}\n", s.Token(), s.URL())
	a, err := discord.New(discord.Options{Token: s.Token(), APIURL: s.URL()})
	return &stage{Harness: audience{h, h, p}, program: p, able: able(t, a, err), faults: s}
}
