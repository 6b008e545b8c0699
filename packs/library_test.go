package packs

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/store"
	"petrel/store/sqlite"
)

func openStore(t testing.TB) store.Backend {
	t.Helper()
	b, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Synchronous: "normal"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// tree is a folder of packs that a test changes.
type tree struct {
	t   testing.TB
	dir string
}

func newTree(t testing.TB) tree {
	tr := tree{t, t.TempDir()}
	tr.pack("p")
	tr.put("p/actions/a.yaml", "name: a\nrunner_type: noop\n")
	tr.put("p/actions/b.yaml", "name: b\nrunner_type: run_local\n")
	tr.put("p/rules/r.yaml", "name: r\nenabled: true\ntrigger: {type: p.t}\naction: {ref: p.a}\n")
	tr.put("p/aliases/l.yaml", "name: l\naction_ref: p.a\nformats: ['go {{ x }}']\n")
	tr.put("p/triggers/t.yaml", "name: t\n")
	tr.pack("q")
	tr.put("q/actions/c.yaml", "name: c\nrunner_type: noop\n")
	return tr
}

func (tr tree) pack(ref string) {
	tr.put(ref+"/pack.yaml", "name: "+ref+"\ndescription: d\nauthor: a\nversion: 1.0.0\n")
}

func (tr tree) put(name, body string) {
	tr.t.Helper()
	path := filepath.Join(tr.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr tree) remove(name string) {
	tr.t.Helper()
	if err := os.RemoveAll(filepath.Join(tr.dir, name)); err != nil {
		tr.t.Fatal(err)
	}
}

// register loads the tree and registers it.
func (tr tree) register(l *Library) []Change {
	tr.t.Helper()
	changes, err := l.Register(context.Background(), loadDir(tr.t, tr.dir))
	if err != nil {
		tr.t.Fatal(err)
	}
	return changes
}

func refs(s *Snapshot) string {
	var out []string
	for _, p := range s.Packs() {
		out = append(out, p.Ref)
	}
	for _, a := range s.Actions() {
		out = append(out, "a:"+a.Ref)
	}
	for _, r := range s.Rules() {
		out = append(out, "r:"+r.Ref)
	}
	for _, t := range s.TriggerTypes() {
		out = append(out, "t:"+t.Ref)
	}
	for ref := range s.aliases {
		out = append(out, "l:"+ref)
	}
	return strings.Join(out, " ")
}

const everything = "p q a:p.a a:p.b a:q.c r:p.r t:p.t l:p.l"

func TestRegister(t *testing.T) {
	tr, b := newTree(t), openStore(t)
	l := NewLibrary(b)
	empty := l.Snapshot()
	if refs(empty) != "" || empty.AliasTable().Len() != 0 {
		t.Errorf("a new library holds %s", refs(empty))
	}
	want := []Change{{"p", "1.0.0", 6, 0}, {"q", "1.0.0", 2, 0}}
	if got := tr.register(l); !reflect.DeepEqual(got, want) {
		t.Errorf("changes %+v, want %+v", got, want)
	}
	<-empty.Replaced()
	s := l.Snapshot()
	if refs(s) != everything {
		t.Errorf("registered %s", refs(s))
	}
	action, ok := s.Action("p.b")
	if runner, known := s.Runner(action.RunnerType); !ok || !known || runner.Name != "local-shell-cmd" || action.Dir != filepath.Join(tr.dir, "p") {
		t.Errorf("action %+v, runner %+v", action, runner)
	}
	if m, err := s.AliasTable().Resolve("go home"); err != nil || m.Alias.Ref != "p.l" {
		t.Errorf("resolve: %+v, %v", m, err)
	}
	doc, err := ActionCollection().Get(context.Background(), b, action.ID)
	if err != nil || doc.Value.Ref != "p.b" {
		t.Errorf("stored action: %+v, %v", doc, err)
	}
	docs, _, err := ActionCollection().List(context.Background(), b, store.Query{Index: "pack", Value: "p"})
	if err != nil || len(docs) != 2 || docs[0].Value.Ref != "p.a" {
		t.Errorf("actions of pack p: %+v, %v", docs, err)
	}

	// The same again, also after a restart, writes nothing.
	if got := tr.register(l); got != nil {
		t.Errorf("nothing changed, but %+v was written", got)
	}
	again := NewLibrary(b)
	if got := tr.register(again); got != nil || refs(again.Snapshot()) != everything {
		t.Errorf("after a restart: %+v, %s", got, refs(again.Snapshot()))
	}

	events, err := b.Events(context.Background(), 0, 10)
	if err != nil || len(events) != 2 {
		t.Fatalf("events: %+v, %v", events, err)
	}
	var c Change
	if err := json.Unmarshal(events[1].Body, &c); err != nil || events[1].Type != EventRegistered || events[1].Key != "q" || c != want[1] {
		t.Errorf("event %+v: %+v, %v", events[1], c, err)
	}
}

func TestRegisterChanges(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(tree)
		changes []Change
		want    string
	}{
		{"an action changes", func(tr tree) { tr.put("p/actions/a.yaml", "name: a\nrunner_type: noop\ndescription: new\n") },
			[]Change{{"p", "1.0.0", 1, 0}}, everything},
		{"an action goes, with its file", func(tr tree) { tr.remove("p/actions/a.yaml") },
			[]Change{{"p", "1.0.0", 1, 1}}, "p q a:p.b a:q.c r:p.r t:p.t l:p.l"},
		{"a broken file leaves what was registered from it", func(tr tree) { tr.put("p/actions/a.yaml", "name: [") },
			nil, everything},
		{"a broken manifest leaves the pack", func(tr tree) { tr.put("p/pack.yaml", "name: p\n") },
			nil, everything},
		{"an alias moves to another file", func(tr tree) {
			tr.put("p/aliases/m.yaml", "name: l\naction_ref: p.a\nformats: ['go {{ x }}']\n")
			tr.remove("p/aliases/l.yaml")
		}, []Change{{"p", "1.0.0", 2, 0}}, everything},
		{"a pack goes", func(tr tree) { tr.remove("p") },
			[]Change{{"p", "", 0, 6}}, "q a:q.c"},
		{"the whole folder is not there", func(tr tree) { tr.remove("") },
			nil, everything},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, b := newTree(t), openStore(t)
			tr.register(NewLibrary(b))
			tt.change(tr)
			l := NewLibrary(b) // also what stays must come back from the store alone
			if got := tr.register(l); !reflect.DeepEqual(got, tt.changes) {
				t.Errorf("changes %+v, want %+v", got, tt.changes)
			}
			if got := refs(l.Snapshot()); got != tt.want {
				t.Errorf("registered %s, want %s", got, tt.want)
			}
			for _, a := range l.Snapshot().Actions() {
				if a.Dir != filepath.Join(tr.dir, a.Pack) {
					t.Errorf("the folder of %s is %q", a.Ref, a.Dir)
				}
			}
		})
	}
}

// What was made without a file is nobody's to remove.
func TestRegisterKeepsWhatHasNoFile(t *testing.T) {
	tr, b := newTree(t), openStore(t)
	var batch store.Batch
	rule := engine.Rule{ID: engine.DeriveID("rule:default:mine"), Ref: "default.mine", Pack: "default", Name: "mine"}
	if err := RuleCollection().Put(&batch, store.Doc[engine.Rule]{ID: rule.ID, Value: rule}); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(context.Background(), &batch); err != nil {
		t.Fatal(err)
	}
	l := NewLibrary(b)
	tr.register(l)
	if !slices.ContainsFunc(l.Snapshot().Rules(), func(r *engine.Rule) bool { return r.Ref == "default.mine" }) {
		t.Errorf("rules: %s", refs(l.Snapshot()))
	}
}

// meddler changes a document between reading and writing, once.
type meddler struct {
	store.Backend
	done bool
}

func (m *meddler) Commit(ctx context.Context, b *store.Batch) error {
	if !m.done {
		m.done = true
		return &store.ConflictError{Collection: "actions", ID: "x", Want: 1, Have: 2}
	}
	return m.Backend.Commit(ctx, b)
}

func TestRegisterTriesAgainAfterAConflict(t *testing.T) {
	tr := newTree(t)
	l := NewLibrary(&meddler{Backend: openStore(t)})
	tr.register(l)
	if refs(l.Snapshot()) != everything {
		t.Errorf("registered %s", refs(l.Snapshot()))
	}
}

// down is a store that refuses writes.
type down struct{ store.Backend }

func (down) Commit(context.Context, *store.Batch) error { return store.ErrUnavailable }

func TestRegisterFails(t *testing.T) {
	tr := newTree(t)
	l := NewLibrary(down{openStore(t)})
	before := l.Snapshot()
	if _, err := l.Register(context.Background(), loadDir(t, tr.dir)); err == nil || l.Snapshot() != before {
		t.Errorf("error %v; the snapshot must stay", err)
	}
}

// 5,000 actions are loaded and registered in under two seconds.
func BenchmarkLoadAndRegister(b *testing.B) {
	tr := manyActions(b, 5000)
	for b.Loop() {
		l := NewLibrary(openStore(b))
		tr.register(l)
		if n := len(l.Snapshot().Actions()); n != 5000 {
			b.Fatalf("%d actions", n)
		}
	}
}

// The same again, with nothing changed: a restart.
func BenchmarkReload(b *testing.B) {
	tr := manyActions(b, 5000)
	backend := openStore(b)
	tr.register(NewLibrary(backend))
	for b.Loop() {
		if changes := tr.register(NewLibrary(backend)); changes != nil {
			b.Fatalf("%+v", changes)
		}
	}
}

func manyActions(t testing.TB, n int) tree {
	tr := tree{t, t.TempDir()}
	tr.pack("many")
	for i := range n {
		tr.put(fmt.Sprintf("many/actions/a%d.yaml", i), fmt.Sprintf(`---
name: a%d
description: Action number %d of a large pack.
runner_type: local-shell-cmd
enabled: true
entry_point: ""
parameters:
  host:
    type: string
    description: Where.
    required: true
  count:
    type: integer
    description: How many.
    default: 3
  mode:
    type: string
    enum: [fast, slow]
    default: fast
  options:
    type: object
    description: Free.
  timeout:
    default: 120
`, i, i))
	}
	return tr
}
