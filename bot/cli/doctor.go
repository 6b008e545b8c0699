package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"petrel/adapters"
	"petrel/bot/server"
	"petrel/config"
	"petrel/packs"
	"petrel/store"
	"petrel/store/sqlite"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the set-up: configuration, store, Python, packs, chat platforms",
		Long: `Looks at everything that a server with this configuration needs, and says what is
wrong and what to do about it. Chat platforms are asked with the configured
tokens; nothing is sent to anybody. The exit code is 1 when something keeps the
server, or a part of it, from working at all.`,
		Args: exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{app: a, now: time.Now}
			d.examine(cmd.Context())
			if asJSON {
				if err := a.printJSON(d.findings); err != nil {
					return err
				}
			} else {
				d.print(a.out)
			}
			if d.fatal() > 0 {
				return errSilent
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&asJSON, "json", "j", false, "print JSON")
	return cmd
}

// finding is one line of the examination.
type finding struct {
	Part string `json:"part"` // "store", or the name of an adapter
	adapters.Finding
}

// doctor collects findings.
type doctor struct {
	app      *app
	cfg      *config.Config
	findings []finding
	running  bool // a server answers at http.listen
	now      func() time.Time
}

// Limits of single checks, so that the whole always ends.
const (
	storePatience   = 10 * time.Second
	httpPatience    = 3 * time.Second
	adapterPatience = 30 * time.Second
	maxSkew         = 5 * time.Second
)

func (d *doctor) add(part, check string, s adapters.Severity, remedy, format string, args ...any) {
	d.findings = append(d.findings, finding{part, adapters.Finding{Check: check, Severity: s, Text: fmt.Sprintf(format, args...), Remedy: remedy}})
}

func (d *doctor) fatal() (n int) {
	for _, f := range d.findings {
		if f.Severity == adapters.Fatal {
			n++
		}
	}
	return n
}

// examine runs every check. Without a configuration there is nothing to check.
func (d *doctor) examine(ctx context.Context) {
	if !d.configuration() {
		return
	}
	d.dataDir()
	d.clock()
	d.http(ctx)
	d.store(ctx)
	d.python(ctx)
	d.packs(ctx)
	d.platforms(ctx)
}

func (d *doctor) configuration() bool {
	cfg, err := d.app.load(nil)
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			d.add("configuration", cmp.Or(p.Key, "file"), adapters.Fatal, "mend it; docs/configuration.md lists every key", "%s", p)
		}
		return false
	case err != nil:
		d.add("configuration", "file", adapters.Fatal, "", "%v", err)
		return false
	}
	d.cfg = cfg
	d.add("configuration", "file", adapters.OK, "", "in order")
	return true
}

// dataDir checks that the folder is there and can be written to.
func (d *doctor) dataDir() {
	dir := d.cfg.DataDir
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		parent := filepath.Dir(filepath.Clean(dir))
		if err := writable(parent); err != nil {
			d.add("data_dir", "folder", adapters.Fatal, "make the folder, or set data_dir to one that this user may write", "%s is not there and cannot be made: %v", dir, err)
			return
		}
		d.add("data_dir", "folder", adapters.OK, "", "%s is not there yet; the first start makes it", dir)
		return
	}
	if err := writable(dir); err != nil {
		d.add("data_dir", "folder", adapters.Fatal, "give this user the right to write there, or set data_dir to another folder", "%v", err)
		return
	}
	d.add("data_dir", "folder", adapters.OK, "", "%s can be written", dir)
}

// writable tries to make a file in a folder.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".petrel-doctor-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// clock finds a machine that has lost its time; what is a little off shows only
// in comparison, with the store and the platforms.
func (d *doctor) clock() {
	now := d.now()
	if now.Year() < 2025 {
		d.add("clock", "time", adapters.Fatal, "set the clock, best by NTP", "it is %s on this machine; timers and platforms will not work", now.UTC().Format(time.DateTime))
		return
	}
	d.add("clock", "time", adapters.OK, "", "%s UTC", now.UTC().Format(time.DateTime))
}

// http asks the server that runs, or tries whether one could.
func (d *doctor) http(ctx context.Context) {
	addr := d.cfg.HTTP.Listen
	ctx, cancel := context.WithTimeout(ctx, httpPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		d.add("http", "listen", adapters.Fatal, "set http.listen", "%v", err)
		return
	}
	if resp, err := http.DefaultClient.Do(req); err == nil {
		defer resp.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		d.running = true
		if resp.StatusCode != http.StatusOK {
			d.add("http", "server", adapters.Warning, "see its log", "a server answers at %s, but is not ready: %s", addr, strings.TrimSpace(string(body)))
			return
		}
		d.add("http", "server", adapters.OK, "", "a server answers at %s and is ready", addr)
		return
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		d.add("http", "listen", adapters.Fatal, "stop the program that has the port, or set http.listen to another one", "%v", err)
		return
	}
	l.Close()
	d.add("http", "listen", adapters.OK, "", "no server runs; %s is free", addr)
}

// store opens the store, writes to it and looks at what it warns of.
func (d *doctor) store(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	where := config.URL(d.cfg.StoreURL()).String()
	path, isFile := d.cfg.SQLitePath()
	if isFile {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			d.add("store", "open", adapters.OK, "", "%s is not there yet; the first start makes it", where)
			return
		}
	}
	warnings := &listener{}
	b, err := server.OpenStore(ctx, d.cfg, slog.New(warnings))
	var inUse *sqlite.InUseError
	switch {
	case errors.As(err, &inUse) && d.running:
		d.add("store", "open", adapters.OK, "", "%v, which is the server", err)
		return
	case errors.As(err, &inUse):
		d.add("store", "open", adapters.Fatal, "end that process, or give this server a data_dir of its own", "%v, and no server answers at %s", err, d.cfg.HTTP.Listen)
		return
	case err != nil:
		remedy := "check store.url, and that the server is up and lets this machine in"
		if isFile {
			remedy = "check the rights of the file; petrel store check looks inside it"
		}
		d.add("store", "open", adapters.Fatal, remedy, "%v", err)
		return
	}
	defer b.Close()
	d.add("store", "open", adapters.OK, "", "%s answers", where)
	for _, w := range warnings.all() {
		d.add("store", "settings", adapters.Warning, "", "%s", w)
	}
	d.write(ctx, b, isFile)
}

// write commits something, and compares the clock of a store that has its own.
func (d *doctor) write(ctx context.Context, b store.Backend, isFile bool) {
	begun := d.now()
	batch := &store.Batch{Claims: []store.Claim{{Key: fmt.Sprintf("doctor:%d", begun.UnixNano()), Value: "doctor", TTL: time.Second}}}
	last, err := b.LastEvent(ctx)
	if !isFile {
		batch.Events = []store.Event{{Type: "petrel.doctor", Key: "clock", Body: []byte("{}")}}
	}
	if err == nil {
		err = b.Commit(ctx, batch)
	}
	if err != nil {
		d.add("store", "write", adapters.Fatal, "look for a full disk, a full memory, or a replica that takes no writes", "it cannot be written: %v", err)
		return
	}
	took := d.now().Sub(begun)
	d.add("store", "write", adapters.OK, "", "written within %s", took.Round(10*time.Microsecond))
	if isFile {
		return
	}
	events, err := b.Events(ctx, last, 100)
	if err != nil || len(events) == 0 {
		return
	}
	skew := events[len(events)-1].Time.Sub(begun).Abs()
	if skew > maxSkew {
		d.add("clock", "store", adapters.Warning, "set both clocks, best by NTP", "the clocks of this machine and of the store are %s apart", skew.Round(time.Second))
	}
}

// python looks for the interpreter.
func (d *doctor) python(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	const remedy = "install Python 3.8 or newer, or set python.interpreter; without it Python actions fail, all else works"
	out, err := exec.CommandContext(ctx, d.cfg.Python.Interpreter, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3]); sys.exit(sys.version_info < (3, 8))").Output()
	version := strings.TrimSpace(string(out))
	switch {
	case err != nil && version != "":
		d.add("python", "interpreter", adapters.Warning, remedy, "%s is Python %s", d.cfg.Python.Interpreter, version)
	case err != nil:
		d.add("python", "interpreter", adapters.Warning, remedy, "%s cannot be run: %v", d.cfg.Python.Interpreter, err)
	default:
		d.add("python", "interpreter", adapters.OK, "", "%s is Python %s", d.cfg.Python.Interpreter, version)
	}
}

// packs reads the packs as the server does.
func (d *doctor) packs(ctx context.Context) {
	content, err := server.CheckPacks(ctx, d.cfg.Packs, d.cfg.ConfigsDir())
	if err != nil {
		d.add("packs", "read", adapters.Fatal, "", "%v", err)
		return
	}
	problems := 0
	for _, p := range content.Problems {
		if !builtIn(p.File) {
			problems++
			if problems <= 10 {
				d.add("packs", "content", adapters.Warning, "petrel pack lint DIR checks a pack alone", "%s", p)
			}
		}
	}
	if problems > 10 {
		d.add("packs", "content", adapters.Warning, "petrel pack lint DIR lists all", "%d more problems", problems-10)
	}
	for _, p := range content.Packs {
		d.virtualenv(p)
	}
	if problems == 0 {
		d.add("packs", "content", adapters.OK, "", "%d packs with %d actions and %d aliases, nothing wrong", len(content.Packs), len(content.Actions), len(content.Aliases))
	}
}

// virtualenv warns of a pack whose requirements were never installed.
func (d *doctor) virtualenv(p *packs.Pack) {
	if builtIn(p.Path) {
		return
	}
	if _, err := os.Stat(filepath.Join(p.Path, "requirements.txt")); err != nil {
		return
	}
	if _, err := os.Stat(filepath.Join(d.cfg.VirtualenvsDir(), p.Ref)); err != nil {
		d.add("packs", "virtualenv", adapters.Warning, "run petrel pack setup "+p.Ref, "the pack %s has requirements, and no virtualenv", p.Ref)
	}
}

// platforms lets every configured adapter examine itself.
func (d *doctor) platforms(ctx context.Context) {
	all, err := server.Adapters(d.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		d.add("chat", "configuration", adapters.Fatal, "mend the section of the platform in the configuration", "%v", err)
		return
	}
	if len(all) == 0 {
		d.add("chat", "platforms", adapters.OK, "", "none is configured; the terminal works without")
	}
	for _, adapter := range all {
		examiner, ok := adapter.(adapters.Examiner)
		if !ok {
			d.add(adapter.Name(), "examination", adapters.OK, "", "configured; it cannot be examined without connecting")
			continue
		}
		limited, cancel := context.WithTimeout(ctx, adapterPatience)
		for _, f := range examiner.Examine(limited) {
			d.findings = append(d.findings, finding{adapter.Name(), f})
		}
		cancel()
	}
}

// print shows the findings for people: one line each, the remedy below.
func (d *doctor) print(w io.Writer) {
	warnings := 0
	for _, f := range d.findings {
		fmt.Fprintf(w, "%-8s %s: %s: %s\n", f.Severity, f.Part, f.Check, f.Text)
		if f.Severity == adapters.Warning {
			warnings++
		}
		if f.Severity != adapters.OK && f.Remedy != "" {
			fmt.Fprintf(w, "         %s\n", f.Remedy)
		}
	}
	switch fatal := d.fatal(); {
	case fatal > 0:
		fmt.Fprintf(w, "%d fatal, %s\n", fatal, count(warnings, "warning"))
	case warnings > 0:
		fmt.Fprintf(w, "nothing fatal, %s\n", count(warnings, "warning"))
	default:
		fmt.Fprintln(w, "all is well")
	}
}

// listener is a log handler that keeps warnings.
type listener struct {
	mu    sync.Mutex
	heard []string
}

func (l *listener) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard)
}

// Enabled implements slog.Handler.
func (*listener) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (l *listener) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf("; %s: %s", a.Key, a.Value)
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, text)
	return nil
}

// WithAttrs implements slog.Handler.
func (l *listener) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *listener) WithGroup(string) slog.Handler { return l }
