package cli

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"petrel/store/sqlite"
)

func TestDoctor(t *testing.T) {
	dir := deployPack(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	t.Setenv("PETREL_HTTP__LISTEN", addr)
	out, code := runIn(t, dir, "doctor") // somebody has the port, and speaks no HTTP
	if code != 1 || !strings.Contains(out, "fatal    http: listen:") || !strings.Contains(out, "set http.listen to another one") {
		t.Errorf("exit code %d: %s", code, out)
	}
	free.Close()
	out, code = runIn(t, dir, "doctor")
	if code != 0 || !strings.Contains(out, "is free") || !strings.Contains(out, "petrel.db is not there yet") {
		t.Errorf("exit code %d: %s", code, out)
	}

	writeFiles(t, dir, map[string]string{
		"data/x": "", "packs/web/requirements.txt": "requests\n", "packs/web/aliases/bad.yaml": "name: bad\naction_ref: web.deploy\nformats: [\"x {{ a-b }}\"]\n",
	})
	path := filepath.Join(dir, "data", "petrel.db")
	b, err := sqlite.Open(context.Background(), path, sqlite.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	out, code = runIn(t, dir, "doctor")
	if code != 1 || !strings.Contains(out, "fatal    store: open:") || !strings.Contains(out, "no server answers at") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PETREL_PYTHON__INTERPRETER", "no-such-python")
	out, code = runIn(t, dir, "doctor")
	for _, want := range []string{
		"ok       store: write: written within", "warning  python: interpreter: no-such-python cannot be run", "install Python 3.8",
		"warning  packs: content: ", "bad.yaml:3", "warning  packs: virtualenv: the pack web has requirements", "run petrel pack setup web", "nothing fatal, 3 warnings",
	} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, lacks %q:\n%s", code, want, out)
		}
	}
	var list []finding
	out, _ = runIn(t, dir, "doctor", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) < 8 {
		t.Errorf("%v: %s", err, out)
	}
	t.Setenv("PETREL_STORE__URL", "redis://127.0.0.1:1/0")
	if out, code = runIn(t, dir, "doctor"); code != 1 || !strings.Contains(out, "fatal    store: open:") || !strings.Contains(out, "check store.url") {
		t.Errorf("exit code %d: %s", code, out)
	}
	t.Setenv("PETREL_WORKERS__CONCURRENCY", "many")
	if out, code = runIn(t, dir, "doctor"); code != 1 || !strings.Contains(out, "fatal    configuration: workers.concurrency:") {
		t.Errorf("exit code %d: %s", code, out)
	}
}
