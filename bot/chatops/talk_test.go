package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/params"
	"petrel/engine/pipeline"
	"petrel/engine/runners"
	"petrel/engine/runners/ask"
	"petrel/store/sqlite"
)

// talk is a conversation with everything behind it, on a fake platform.
type talk struct {
	t        testing.TB
	path     string
	store    *sqlite.Backend
	chat     *Chat
	service  *pipeline.Service
	platform *platform
	content  atomic.Pointer[fixture]
	options  Options
	deliver  int
	stop     func()
}

// fixture is fixed content.
type fixture struct {
	table   *aliases.Table
	actions map[string]*engine.Action
	runners []engine.Runner
	rules   []*engine.Rule
}

func (f *fixture) AliasTable() *aliases.Table               { return f.table }
func (r *talk) Current() pipeline.Content                   { return r.content.Load() }
func (f *fixture) Rules() []*engine.Rule                    { return f.rules }
func (f *fixture) Runners() []engine.Runner                 { return f.runners }
func (f *fixture) Config(string) (*params.Config, error)    { return nil, nil }
func (f *fixture) Policies(string) []*engine.Policy         { return nil }
func (f *fixture) Action(ref string) (*engine.Action, bool) { a, ok := f.actions[ref]; return a, ok }

func (f *fixture) Runner(name string) (*engine.Runner, bool) {
	i := slices.IndexFunc(f.runners, func(r engine.Runner) bool { return r.Name == name })
	if i < 0 {
		return nil, false
	}
	return &f.runners[i], true
}

// echo is a runner whose result is its parameters.
type echo struct{}

func (echo) Spec() engine.Runner {
	return engine.Runner{Name: "echo", Enabled: true, Parameters: json.RawMessage(`{}`)}
}

func (echo) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	if hold, _ := job.Params.GetString("hold"); hold == true {
		<-ctx.Done()
	}
	body, err := json.Marshal(job.Params)
	return runners.Outcome{Status: engine.Succeeded, Result: body}, err
}

// The actions of the fixture, by the name of the action in pack p.
var fixtureActions = map[string]string{
	"deploy":  `{"app":{"type":"string","required":true,"description":"What to deploy"},"env":{"type":"string","required":true,"enum":["dev","prod"]},"force":{"type":"boolean"}}`,
	"restart": `{"host":{"type":"string","required":true}}`,
	"login":   `{"user":{"type":"string","required":true},"password":{"type":"string","required":true,"secret":true}}`,
	"scale":   `{"app":{"type":"string","required":true},"n":{"type":"integer","required":true},"fast":{"type":"boolean","required":true}}`,
	"noop":    `{}`,
	"hold":    `{"hold":{"type":"boolean","default":true}}`,
}

const fixtureAliases = `
{"name":"deploy","description":"Deploy an application","formats":["deploy {{ app }} to {{ env }}","deploy {{ app }}"],"action_ref":"p.deploy"}
{"name":"restart","formats":["restart {{ host }}"],"action_ref":"p.restart","confirm":"Really restart {{ parameters.host }}?"}
{"name":"login","formats":["login"],"action_ref":"p.login"}
{"name":"scale","formats":["scale {{ app }}"],"action_ref":"p.scale"}
{"name":"ops_only","formats":["ops thing"],"action_ref":"p.noop","allow":{"groups":["ops"]},"contact":"the ops team"}
{"name":"not_bob","formats":["private thing"],"action_ref":"p.noop","deny":{"users":["bob"]}}
{"name":"here_only","formats":["local thing"],"action_ref":"p.noop","allow":{"channels":["#ops"],"platforms":["fake"]}}
{"name":"status_app","description":"of an application","formats":["status {{ app }}"],"action_ref":"p.noop"}
{"name":"status_host","description":"of a host","formats":["status {{ host }}"],"action_ref":"p.noop"}
{"name":"hold","formats":["hold"],"action_ref":"p.hold"}
{"name":"ping","formats":["ping"],"action_ref":"p.noop"}
`

// newTalk begins one on a platform that can show what shows says.
func newTalk(t testing.TB, shows adapters.Capabilities) *talk {
	t.Helper()
	r := &talk{t: t, path: filepath.Join(t.TempDir(), "petrel.db"), platform: &platform{shows: shows, news: make(chan struct{})}}
	content := &fixture{actions: map[string]*engine.Action{}, runners: []engine.Runner{echo{}.Spec(), ask.Runner{}.Spec()}}
	for name, parameters := range fixtureActions {
		ref := "p." + name
		content.actions[ref] = &engine.Action{ID: ref, Ref: ref, Pack: "p", Name: name, Enabled: true, RunnerType: "echo", Parameters: json.RawMessage(parameters)}
	}
	content.actions["p.ask"] = &engine.Action{ID: "p.ask", Ref: "p.ask", Pack: "p", Name: "ask", Enabled: true, RunnerType: engine.RunnerInquirer}
	r.content.Store(content)
	r.define(fixtureAliases)
	r.options = Options{
		Catalog: func() Catalog { return r.content.Load() }, Renderer: expression.New(expression.Options{}),
		Adapters: []adapters.Adapter{r.platform}, Name: "petrel", Prefix: "!",
		People: []Known{
			{Name: "ann", Chat: []string{"fake:U1"}, Groups: []string{"ops"}},
			{Name: "cyd", Chat: []string{"cyd@example.org"}, Groups: []string{"ops"}},
		},
		Admins: []string{"the admins"}, Logger: slog.New(slog.DiscardHandler),
	}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

// define replaces the aliases; one JSON object a line.
func (r *talk) define(lines string) {
	r.t.Helper()
	var defs []aliases.Definition
	for line := range strings.Lines(lines) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		d, err := aliases.ParseDefinition([]byte(strings.Replace(line, "{", `{"pack":"p",`, 1)))
		if err != nil {
			r.t.Fatal(err)
		}
		defs = append(defs, d)
	}
	table, problems := aliases.NewTable(defs)
	if len(problems) > 0 {
		r.t.Fatal(problems)
	}
	next := *r.content.Load()
	next.table = table
	r.content.Store(&next)
}

// start opens the store and runs all stages, as a starting program does.
func (r *talk) start() {
	r.t.Helper()
	ctx := context.Background()
	var err error
	if r.store, err = sqlite.Open(ctx, r.path, sqlite.Options{Synchronous: "normal", Logger: r.options.Logger}); err != nil {
		r.t.Fatal(err)
	}
	r.options.Store = r.store
	r.chat = New(r.options)
	registry, err := runners.NewRegistry(echo{}, ask.Runner{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.service = pipeline.NewService(pipeline.Options{
		Store: r.store, Catalog: r, Renderer: r.options.Renderer, Responders: r.chat.Responders(), Logger: r.options.Logger,
	})
	r.chat.Bind(r.service)
	workers := pipeline.NewWorkers(r.service, pipeline.WorkerOptions{Node: "node", Rules: true, Actions: true, Runners: registry, Slots: 4})
	intake, stop := context.WithCancel(ctx)
	work, end := context.WithCancelCause(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		if err := workers.Run(intake, work); err != nil {
			r.t.Errorf("workers: %v", err)
		}
	})
	all.Go(func() {
		if err := r.chat.Stage("node", 4).Run(intake, work); err != nil {
			r.t.Errorf("outbox: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() {
		stop()
		end(runners.ErrShutdown)
		all.Wait()
		r.store.Close()
	})
}

// restart ends the program and starts it again.
func (r *talk) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

var (
	ann = adapters.User{ID: "U1", Name: "ann.smith"}
	bob = adapters.User{ID: "U2", Name: "bob"}
	cyd = adapters.User{ID: "U3", Name: "c", Email: "Cyd@example.org"}
	ops = adapters.Channel{ID: "C1", Name: "#ops"}
)

// event fills in what every event has.
func (r *talk) event(e adapters.Event) adapters.Event {
	r.deliver++
	if e.DeliveryID == "" {
		e.DeliveryID = fmt.Sprintf("d%d", r.deliver)
	}
	e.Adapter = "fake"
	if e.Channel.ID == "" {
		e.Channel = ops
	}
	if e.User.ID == "" {
		e.User = ann
	}
	return e
}

// handle hands an event in.
func (r *talk) handle(e adapters.Event) adapters.Answer {
	r.t.Helper()
	answer, err := r.chat.Handle(context.Background(), r.event(e))
	if err != nil {
		r.t.Fatalf("%+v: %v", e, err)
	}
	return answer
}

// say says a line in #ops and returns its message.
func (r *talk) say(who adapters.User, text string) string {
	r.t.Helper()
	id := fmt.Sprintf("m%d", r.deliver+1)
	r.handle(adapters.Event{Kind: adapters.MessagePosted, User: who, Text: text, Message: id})
	return id
}

// reply says a line in a thread.
func (r *talk) reply(who adapters.User, thread, text string) {
	r.t.Helper()
	r.handle(adapters.Event{Kind: adapters.MessagePosted, User: who, Text: text, Thread: thread, Message: fmt.Sprintf("m%d", r.deliver+1)})
}

// press presses a button of a message, by its label.
func (r *talk) press(who adapters.User, m said, label string) adapters.Answer {
	r.t.Helper()
	return r.handle(r.pressing(who, m, label))
}

func (r *talk) pressing(who adapters.User, m said, label string) adapters.Event {
	r.t.Helper()
	for _, b := range m.Buttons {
		if b.Label == label {
			return adapters.Event{Kind: adapters.ButtonPressed, User: who, Message: m.ref, Thread: m.To.Thread, Button: b.ID, Opens: r.platform.shows.Forms}
		}
	}
	r.t.Fatalf("no button %q in %+v", label, m.Buttons)
	return adapters.Event{}
}

// submit sends a form.
func (r *talk) submit(who adapters.User, f *adapters.Form, values map[string]string) adapters.Answer {
	r.t.Helper()
	return r.handle(adapters.Event{Kind: adapters.FormSubmitted, User: who, Form: f.ID, Values: values})
}

// expect waits for a message that holds all the words.
func (r *talk) expect(words ...string) said {
	r.t.Helper()
	return r.platform.await(r.t, words...)
}

// answered waits for an answer to a message.
func (r *talk) answered(to string, words ...string) said {
	r.t.Helper()
	return r.platform.await(r.t, append(words, "\nin reply to "+to+"\n")...)
}

// ran waits for the n-th execution of an action and returns its parameters, with
// an error of all that ran when there are more.
func (r *talk) ran(action string, n int) []engine.Execution {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for after := uint64(0); ; {
		list := r.executions(action)
		if len(list) >= n && !slices.ContainsFunc(list, func(e engine.Execution) bool { return !e.Status.Completed() }) {
			if len(list) > n {
				r.t.Errorf("%s ran %d times, want %d", action, len(list), n)
			}
			return list
		}
		events, err := r.store.Events(ctx, after, 100)
		if err != nil {
			r.t.Fatalf("%s ran %d times, want %d; said:\n%s", action, len(list), n, r.platform.everything())
		}
		after = events[len(events)-1].Seq
	}
}

func (r *talk) executions(action string) []engine.Execution {
	r.t.Helper()
	docs, _, err := pipeline.Executions.List(context.Background(), r.store, queryAction(action))
	if err != nil {
		r.t.Fatal(err)
	}
	var list []engine.Execution
	for _, d := range docs {
		list = append(list, d.Value)
	}
	return list
}

// platform is the fake: it keeps what is said.
type platform struct {
	shows adapters.Capabilities

	mu       sync.Mutex
	messages []said
	commands []adapters.Command
	news     chan struct{}
}

type said struct {
	adapters.Message
	ref     string
	updates int
}

var everything = adapters.Capabilities{
	Threads: true, Edit: true, Buttons: true, Selects: true, Forms: true, Ephemeral: true, EditPrivate: true, Commands: true,
}

func (p *platform) Name() string                        { return "fake" }
func (p *platform) Capabilities() adapters.Capabilities { return p.shows }
func (p *platform) Run(ctx context.Context, _ adapters.Handler) error {
	<-ctx.Done()
	return nil
}

func (p *platform) SetCommands(commands []adapters.Command) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commands = commands
	p.changed()
}

func (p *platform) changed() {
	close(p.news)
	p.news = make(chan struct{})
}

func (p *platform) Send(_ context.Context, m adapters.Message) (adapters.Ref, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed()
	for _, s := range p.messages {
		if s.Key == m.Key && m.Key != "" {
			return adapters.Ref{Channel: m.To.Channel, Message: s.ref}, nil
		}
	}
	ref := fmt.Sprintf("b%d", len(p.messages)+1)
	p.messages = append(p.messages, said{Message: m, ref: ref})
	return adapters.Ref{Channel: m.To.Channel, Message: ref}, nil
}

func (p *platform) Update(_ context.Context, ref adapters.Ref, m adapters.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed()
	for i := range p.messages {
		if p.messages[i].ref == ref.Message {
			p.messages[i].Message = m
			p.messages[i].updates++
			return nil
		}
	}
	return fmt.Errorf("there is no message %s", ref.Message)
}

func (s said) words() string {
	all := []string{plainText(s.Blocks), string(s.State), "in reply to " + s.InReplyTo, ""}
	for _, b := range s.Buttons {
		all = append(all, "["+b.Label+"]")
	}
	return strings.Join(all, "\n")
}

func (p *platform) everything() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, s := range p.messages {
		all = append(all, s.ref+": "+s.words())
	}
	return strings.Join(all, "\n---\n")
}

// await waits for the newest message that holds all the words.
func (p *platform) await(t testing.TB, words ...string) said {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		p.mu.Lock()
		news := p.news
		for _, s := range slices.Backward(p.messages) {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(s.words(), w) }) {
				p.mu.Unlock()
				return s
			}
		}
		p.mu.Unlock()
		select {
		case <-news:
		case <-deadline:
			t.Fatalf("nobody said %q, but\n%s", words, p.everything())
		}
	}
}
