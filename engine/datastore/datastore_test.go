package datastore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/secrets"
	"petrel/store"
	"petrel/store/sqlite"
)

// fixture is a datastore on a store of its own, with a clock that stands still.
type fixture struct {
	*Service
	t       *testing.T
	now     time.Time
	changes []Change
	keyFile string
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	b, err := sqlite.Open(t.Context(), filepath.Join(dir, "x.db"), sqlite.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	f := &fixture{t: t, now: time.Now(), keyFile: filepath.Join(dir, "keys.json")}
	ring, err := secrets.Open(secrets.Options{File: f.keyFile})
	if err != nil {
		t.Fatal(err)
	}
	f.Service = New(Options{
		Store: b, Keyring: ring, Masker: &secrets.Masker{}, Now: func() time.Time { return f.now },
		Changed: func(_ *store.Batch, c Change) error { f.changes = append(f.changes, c); return nil },
	})
	return f
}

func (f *fixture) set(s Setting) Item {
	f.t.Helper()
	item, err := f.Set(f.t.Context(), s)
	if err != nil {
		f.t.Fatal(err)
	}
	return item
}

func system(name string) Key     { return Key{Scope: System, Name: name} }
func of(user, name string) Key   { return Key{Scope: User, User: user, Name: name} }
func code(err error) engine.Code { return engine.CodeOf(err) }

func TestItems(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.set(Setting{Key: system("a.b"), Value: "1"})
	f.set(Setting{Key: of("ann", "a.b"), Value: "2"})
	f.set(Setting{Key: of("bob", "a.b"), Value: "3"})
	for k, want := range map[Key]string{system("a.b"): "1", of("ann", "a.b"): "2", of("bob", "a.b"): "3"} {
		if item, err := f.Get(ctx, k); err != nil || item.Value != want || item.Key != k {
			t.Errorf("%+v: %+v, %v", k, item, err)
		}
	}
	if _, err := f.Get(ctx, of("eve", "a.b")); err == nil || code(err) != engine.NotFound || !strings.Contains(err.Error(), `The key "a.b" does not exist`) {
		t.Errorf("another user's: %v", err)
	}
	f.set(Setting{Key: system("a.b"), Value: ""})
	if item, err := f.Get(ctx, system("a.b")); err != nil || item.Value != "" {
		t.Errorf("replaced by an empty text: %+v, %v", item, err)
	}
	if gone, err := f.Delete(ctx, of("ann", "a.b")); err != nil || gone.Value != "2" {
		t.Errorf("delete: %+v, %v", gone, err)
	}
	if _, err := f.Delete(ctx, of("ann", "a.b")); err == nil || code(err) != engine.NotFound {
		t.Errorf("delete again: %v", err)
	}
	var told []string
	for _, c := range f.changes {
		told = append(told, fmt.Sprintf("%t %t", c.Old != nil, c.New != nil))
	}
	if want := []string{"false true", "false true", "false true", "true true", "true false"}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
}

func TestRefuses(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat("x", MaxName+1)
	for name, s := range map[string]Setting{
		"no name":      {Key: system("")},
		"long name":    {Key: system(long)},
		"NUL":          {Key: system("a\x00b")},
		"no scope":     {Key: Key{Name: "a"}},
		"all":          {Key: Key{Scope: All, Name: "a"}},
		"no user":      {Key: Key{Scope: User, Name: "a"}},
		"user, system": {Key: Key{Scope: System, User: "ann", Name: "a"}},
		"no text":      {Key: system("a"), Value: "\xff"},
		"large":        {Key: system("a"), Value: strings.Repeat("x", MaxValue+1)},
		"ttl":          {Key: system("a"), TTL: -1},
		"encrypted":    {Key: system("a"), Value: "plain", Encrypted: true},
	} {
		if _, err := f.Set(t.Context(), s); err == nil || code(err) != engine.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if item := f.set(Setting{Key: system("a"), Value: strings.Repeat("x", MaxValue), Secret: true}); len(item.Value) < 2*MaxValue {
		t.Errorf("largest secret: %d", len(item.Value))
	}
}

func TestList(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"b", "a:1", "a:2", "a", "aé", "c"} {
		f.set(Setting{Key: system(name), Value: "x"})
		f.set(Setting{Key: of("ann", name), Value: "x"})
	}
	f.set(Setting{Key: system("a:3"), Value: "x", TTL: time.Minute})
	f.now = f.now.Add(time.Hour)
	for _, c := range []struct {
		filter Filter
		want   string
	}{
		{Filter{Scope: System}, "a a:1 a:2 aé b c"},
		{Filter{Scope: System, Prefix: "a"}, "a a:1 a:2 aé"},
		{Filter{Scope: System, Prefix: "a:"}, "a:1 a:2"},
		{Filter{Scope: System, Prefix: "zz"}, ""},
		{Filter{Scope: System, Limit: 2, Offset: 1}, "a:1 a:2"},
		{Filter{Scope: System, Offset: 5}, "c"},
		{Filter{Scope: User, User: "ann", Prefix: "b"}, "b"},
		{Filter{Scope: User, User: "bob"}, ""},
		{Filter{Scope: All, Prefix: "c"}, "c c"},
	} {
		items, err := f.List(t.Context(), c.filter)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, i := range items {
			names = append(names, i.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.filter, got, c.want)
		}
	}
}

func TestExpiry(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.set(Setting{Key: system("soon"), Value: "x", TTL: time.Minute})
	f.set(Setting{Key: system("later"), Value: "x", TTL: time.Hour})
	f.set(Setting{Key: system("renewed"), Value: "x", TTL: time.Minute})
	f.set(Setting{Key: system("renewed"), Value: "x"})
	f.now = f.now.Add(time.Minute)
	if _, err := f.Get(ctx, system("soon")); err == nil || code(err) != engine.NotFound {
		t.Errorf("expired: %v", err)
	}
	if _, ok, err := f.Lookup(ctx, "system", "", "soon"); ok || err != nil {
		t.Errorf("expired in a template: %v, %v", ok, err)
	}
	if n, err := f.sweep(ctx); n != 1 || err != nil {
		t.Errorf("sweep: %d, %v", n, err)
	}
	if n, err := f.Store.Count(ctx, store.Query{Collection: Items.Name}); n != 2 || err != nil {
		t.Errorf("%d items are left, %v", n, err)
	}
}

func TestSecrets(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.set(Setting{Key: system("plain"), Value: "text"})
	item := f.set(Setting{Key: system("secret"), Value: "hunter2", Secret: true})
	stored, err := f.Store.Get(ctx, Items.Name, item.ID())
	if err != nil || strings.Contains(string(stored.Body), "hunter2") {
		t.Errorf("stored: %s, %v", stored.Body, err)
	}
	if plain, err := f.Plain(item); plain != "hunter2" || err != nil {
		t.Errorf("plain: %q, %v", plain, err)
	}
	if got := f.Masker.Text("it is hunter2"); strings.Contains(got, "hunter2") {
		t.Errorf("not hidden: %q", got)
	}
	copied := f.set(Setting{Key: system("copy"), Value: strings.ToLower(item.Value), Encrypted: true})
	if plain, err := f.Plain(copied); plain != "hunter2" || err != nil || !copied.Secret {
		t.Errorf("ciphertext given: %q, %v", plain, err)
	}
	r := expression.New(expression.Options{Datastore: f.Service, User: "ann"})
	f.set(Setting{Key: of("ann", "x.y"), Value: "hers"})
	for template, want := range map[string]string{
		"{{ st2kv.system.plain }}":               "text",
		"{{ st2kv.user.x.y }}":                   "hers",
		"{{ st2kv.system.secret | decrypt_kv }}": "hunter2",
		"{{ st2kv.system.secret }}":              item.Value,
		"{{ st2kv.system.nope }}":                "",
	} {
		if got, err := r.String(ctx, template, nil); got != want || err != nil {
			t.Errorf("%s: %q, %v", template, got, err)
		}
	}
	for _, template := range []string{"{{ st2kv.system.plain | decrypt_kv }}", "{{ st2kv.system.nope | decrypt_kv }}"} {
		if got, err := r.String(ctx, template, nil); err == nil {
			t.Errorf("%s: %q", template, got)
		}
	}
}

func TestRotate(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	f.set(Setting{Key: system("plain"), Value: "text"})
	var before []Item
	for i := range 20 {
		before = append(before, f.set(Setting{Key: of("ann", fmt.Sprint("s", i)), Value: fmt.Sprint("value ", i), Secret: true, TTL: time.Hour}))
	}
	told := len(f.changes)
	r, err := f.Rotate(ctx, true)
	if err != nil || r.Encrypted != 20 || r.Forgotten != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, old := range before {
		item, err := f.Get(ctx, old.Key)
		if err != nil || item.Value == old.Value || item.Expires == nil {
			t.Fatalf("%+v, %v", item, err)
		}
		if plain, err := f.Plain(item); plain != fmt.Sprint("value ", i) || err != nil {
			t.Errorf("item %d: %q, %v", i, plain, err)
		}
		if _, err := f.Plain(old); !errors.Is(err, secrets.ErrKey) && !strings.Contains(err.Error(), secrets.ErrKey.Error()) {
			t.Errorf("old ciphertext: %v", err)
		}
	}
	if len(f.changes) != told {
		t.Error("a rotation was told as a change of values")
	}
}

func TestRotateKeepsKeys(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	lost := f.set(Setting{Key: system("lost"), Value: "v", Secret: true})
	f.set(Setting{Key: system("kept"), Value: "v", Secret: true})
	lost.Value = lost.Value[:len(lost.Value)-2] + "00"
	var b store.Batch
	if err := Items.Put(&b, store.Doc[Item]{ID: lost.ID(), Rev: store.AnyRev, Value: lost}); err != nil {
		t.Fatal(err)
	}
	if err := f.Store.Commit(ctx, &b); err != nil {
		t.Fatal(err)
	}
	r, err := f.Rotate(ctx, true)
	if err == nil || !strings.Contains(err.Error(), "item lost") || r.Encrypted != 1 || r.Forgotten != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if body, err := os.ReadFile(f.keyFile); err != nil || strings.Count(string(body), `"id"`) != 2 {
		t.Errorf("key file: %s, %v", body, err)
	}
}

// What another process stores is hidden here too, once it is learned.
func TestLearn(t *testing.T) {
	f := newFixture(t)
	for _, text := range []string{"the first secret", "another secret"} {
		f.set(Setting{Key: system("s"), Value: text, Secret: true})
		f.Masker.Replace(usedGroup, nil) // as in another process
		if got := f.Masker.Text(text); got != text {
			t.Errorf("%q is hidden before it is learned", text)
		}
		if err := f.Learn(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := f.Masker.Text(text); got != secrets.Masked {
			t.Errorf("%q is not hidden: %q", text, got)
		}
	}
	if got := f.Masker.Text("the first secret"); got == secrets.Masked {
		t.Error("what is not stored any more is hidden for ever")
	}
}

func TestSweepRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := 0
		s := New(Options{Store: emptyStore{onQuery: func() { count++ }}})
		ctx, stop := contextWithCancel(t)
		done := make(chan error)
		go func() { done <- s.Sweep(ctx, time.Minute) }()
		time.Sleep(150 * time.Second)
		stop()
		if err := <-done; err != nil || count != 3 {
			t.Errorf("looked %d times, %v", count, err)
		}
	})
}
