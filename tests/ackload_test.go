package tests

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/engine/pipeline"
	fakediscord "petrel/tests/fakes/discord"
	fakemattermost "petrel/tests/fakes/mattermost"
	fakeslack "petrel/tests/fakes/slack"
)

// The load: commands of a second, and where they come from. So many channels
// that what Slack takes in one of them does not hold the short run up.
const (
	ackRate     = 100
	ackChannels = 50
	ackPeople   = 40
)

// What platforms are promised, of a run of the length that PETREL_TEST_ACKLOAD
// names.
const (
	ackMost    = 100 * time.Millisecond // for 99 of 100 commands
	ackLongest = 3 * time.Second        // then platforms tell the person that the app failed
)

// crowd is a platform with people on it who use slash commands.
type crowd struct {
	adaptertest.Harness
	call func(ctx context.Context, person, channel, command, text string) error
	acks func() []time.Duration // how long it took to answer each command
}

// TestAckLoad has many people give a hundred commands a second on each platform,
// whose actions take a second, for PETREL_TEST_ACKLOAD, else for 2 s. Every
// command is acknowledged, runs once and has one visible result. How long that
// takes is printed; it is held to what is promised only when the time was given,
// for then somebody has seen to it that the machine is quiet. Else a machine that
// stands still may make the program refuse commands, which then must not run.
func TestAckLoad(t *testing.T) {
	length, given := 2*time.Second, os.Getenv("PETREL_TEST_ACKLOAD")
	if given != "" {
		var err error
		if length, err = time.ParseDuration(given); err != nil {
			t.Fatalf("PETREL_TEST_ACKLOAD: %v", err)
		}
	}
	for _, platform := range []struct {
		name string
		fill func(t *testing.T, p *petrel) crowd
	}{
		{"slack socket", func(t *testing.T, p *petrel) crowd { return slackCrowd(p, false) }},
		{"slack http", func(t *testing.T, p *petrel) crowd { return slackCrowd(p, true) }},
		{"mattermost", mattermostCrowd},
		{"discord", discordCrowd},
	} {
		t.Run(platform.name, func(t *testing.T) {
			t.Setenv("PETREL_LOG__LEVEL", "info") // as it is in production
			p := install(t, "packs: [packs]\nworkers: {concurrency: 200}\n")
			p.addPack("load", ackPack(p.file("marks")))
			c := platform.fill(t, p)
			defer c.Close()
			defer p.kill() // first, lest it tries to come back for ever
			took := pushCommands(t, p, c, int(length.Seconds()*ackRate))
			if given == "" {
				return
			}
			if got := took[len(took)*99/100]; got > ackMost {
				t.Errorf("99 of 100 commands were acknowledged within %s, not %s", got, ackMost)
			}
			if got := refused(p); got > 0 {
				t.Errorf("%d commands were refused", got)
			}
			if got := took[len(took)-1]; got > ackLongest {
				t.Errorf("a command was acknowledged after %s", got)
			}
		})
	}
}

// ackPack is an action of one second that leaves a line in a file, and a command
// for it.
func ackPack(marks string) map[string]string {
	return map[string]string{
		"pack.yaml": "ref: load\nname: load\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: test content\n",
		"actions/pause.yaml": `
name: pause
runner_type: local-shell-cmd
entry_point: ""
parameters:
  id: {type: string, required: true}
  cmd: {type: string, immutable: true, default: 'sleep 1; echo "{{ id }}" >> ` + marks + `'}
`,
		"aliases/pause.yaml": `
name: pause
action_ref: load.pause
formats: ["pause {{ id }}"]
result: {format: "finished {{ execution.parameters.id }}."}
`,
	}
}

func slackCrowd(p *petrel, callbacks bool) crowd {
	// However slow this machine is, the fake waits and measures.
	s := fakeslack.Start(fakeslack.Options{AckDeadline: time.Minute})
	s.OnlyCommands("petrel")
	way := "app_token: " + s.AppToken
	if callbacks {
		way = "signing_secret: " + s.SigningSecret
		s.CallAt("http://" + p.addr + "/chat/slack/events")
	}
	p.connect("chat:\n  slack: {bot_token: %s, %s, api_url: %q}\n", s.BotToken, way, s.APIURL())
	h := fakeslack.NewHarness(s, callbacks, nil)
	return crowd{h, h.Call, func() (took []time.Duration) {
		for _, a := range s.Acks() {
			if a.Acked {
				took = append(took, a.Took)
			}
		}
		return took
	}}
}

func mattermostCrowd(t *testing.T, p *petrel) crowd {
	s, err := fakemattermost.New(fakemattermost.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := fakemattermost.NewPeople(s, "http://"+p.addr+"/chat/mattermost")
	p.connect("%s", mattermostConfig(h.Access))
	return crowd{h, h.Call, func() []time.Duration { return s.Counts().Acks }}
}

func discordCrowd(_ *testing.T, p *petrel) crowd {
	s := fakediscord.Start(fakediscord.Options{})
	h := fakediscord.NewHarness(s, func(*fakediscord.Server) adapters.Adapter { return nil })
	p.connect("chat:\n  discord: {token: %s, message_content: true, api_url: %q}\n", s.Token(), s.URL())
	return crowd{h, h.Call, func() (took []time.Duration) {
		for _, a := range s.Acks() {
			took = append(took, a.Took)
		}
		return took
	}}
}

// pushCommands gives n commands at the rate of ackRate, waits until all have
// their result, and checks that there is one of each. It returns how long their
// acknowledgements took, shortest first.
func pushCommands(t *testing.T, p *petrel, c crowd, n int) []time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute+time.Duration(n)*time.Second/5)
	defer cancel()
	for i := range ackChannels {
		if err := c.Join(ctx, "ann", ackChannel(i)); err != nil {
			t.Fatal(err)
		}
	}
	var calls sync.WaitGroup
	begun := time.Now()
	late := make([]time.Duration, n) // what the machine itself adds to every step of a command's way
	for i := range n {
		due := begun.Add(time.Duration(i) * time.Second / ackRate)
		<-time.After(time.Until(due))
		late[i] = time.Since(due)
		calls.Go(func() {
			if err := c.call(ctx, fmt.Sprint("person", i%ackPeople), ackChannel(i), "petrel", fmt.Sprintf("pause load-%d", i)); err != nil {
				t.Errorf("command %d: %v", i, err)
			}
		})
	}
	calls.Wait()
	if err := retry(ctx, func() error { return enough(len(c.acks()), n, "are acknowledged") }); err != nil {
		t.Fatal(err)
	}
	said := time.Since(begun)
	if err := retry(ctx, func() error {
		return enough(strings.Count(p.readIfThere("marks"), "\n"), n-refused(p), "have run")
	}); err != nil {
		t.Fatal(err)
	}
	if err := retry(ctx, func() error { return enough(len(c.results(t)), n-refused(p), "have a result") }); err != nil {
		t.Fatal(err)
	}
	shown := time.Since(begun)
	program := p.cmd
	if _, code := p.stop(); code != 0 {
		t.Errorf("the program ended with code %d", code)
	}
	busy := program.ProcessState.UserTime() + program.ProcessState.SystemTime()
	took := c.acks()
	slices.Sort(took)
	slices.Sort(late)
	t.Logf("%d commands in %s: acknowledged after p50 %s, p99 %s, max %s; all results shown after %s", n, said.Round(time.Millisecond),
		tenths(took[n/2]), tenths(took[n*99/100]), tenths(took[n-1]), shown.Round(time.Millisecond))
	t.Logf("the program and its actions used %s of processor time; this machine woke the test up late by p50 %s, p99 %s, max %s",
		busy.Round(time.Millisecond), tenths(late[n/2]), tenths(late[n*99/100]), tenths(late[n-1]))
	onceEach(t, p, c, n)
	return took
}

func ackChannel(i int) string { return fmt.Sprintf("#load-%d", i%ackChannels) }

func tenths(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

func enough(got, want int, what string) error {
	if got < want {
		return fmt.Errorf("%d of %d commands %s", got, want, what)
	}
	return nil
}

var resultOfLoad = regexp.MustCompile(`finished (load-\d+)\.`)

// results are the commands whose results stand in the channels, one entry a result.
func (c crowd) results(t *testing.T) (ids []string) {
	t.Helper()
	for i := range ackChannels {
		all, err := c.See(context.Background(), "ann", ackChannel(i), func([]adaptertest.Seen) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			for _, m := range resultOfLoad.FindAllStringSubmatch(s.Text, -1) {
				ids = append(ids, m[1])
			}
		}
	}
	return ids
}

// refused is how many commands the program did not take, because the machine did
// not let it store them in time; their authors were told so.
func refused(p *petrel) int {
	log := p.log.String()
	n := 0
	for _, words := range []string{"an event was not taken", "a slash command could not be taken", "an interaction was not taken"} {
		n += strings.Count(log, words)
	}
	return n
}

// onceEach checks, once the program has ended, that every command ran once and
// has one result.
func onceEach(t *testing.T, p *petrel, c crowd, n int) {
	t.Helper()
	lines, results := map[string]int{}, map[string]int{}
	for _, id := range strings.Fields(p.read("marks")) {
		lines[id]++
	}
	for _, id := range c.results(t) {
		results[id]++
	}
	wrong, missing := error(nil), 0
	for i := range n {
		switch id := fmt.Sprint("load-", i); {
		case lines[id] == 0 && results[id] == 0:
			missing++
		case lines[id] != 1 || results[id] != 1:
			wrong = errors.Join(wrong, fmt.Errorf("%s ran %d times and has %d results", id, lines[id], results[id]))
		}
	}
	if wrong != nil {
		t.Error(wrong)
	}
	if missing != refused(p) {
		t.Errorf("%d commands did not run, but %d were refused", missing, refused(p))
	}
	n -= missing
	if got := len(all(t, openSQLite(t, p.file("data", "petrel.db")), pipeline.Executions)); got != n {
		t.Errorf("%d executions of %d commands", got, n)
	}
}
