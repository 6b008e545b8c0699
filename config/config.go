// Package config is the configuration of the program: one YAML file and the
// PETREL_* environment on top of built-in defaults. It knows the keys, their
// types and where each value came from; it does not know what the program does
// with them and imports nothing of the program.
package config

import (
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Config is the effective configuration. Every field is one key (the yaml tag)
// with its documentation (the doc tag), which `petrel config print` and
// docs/configuration.md show.
type Config struct {
	DataDir         string    `yaml:"data_dir" kind:"path" doc:"Folder for everything the program writes: the SQLite file, the unpacked built-in packs. Created when missing."`
	Node            string    `yaml:"node" doc:"Name of this process among those that share a store; empty means the host's name. A name that is in use gets a number behind."`
	Roles           []string  `yaml:"roles" doc:"What this process does: chat, api, rules, workers, sensors, timers. Empty means everything. Several processes can share the work when the store is Redis."`
	Store           Store     `yaml:"store"`
	HTTP            HTTP      `yaml:"http"`
	Packs           []string  `yaml:"packs" kind:"path" doc:"Folders that hold packs, each pack a sub-folder with a pack.yaml; a folder that is itself a pack works too. They add to the built-in packs; of two packs with the same ref the first one listed wins, and any of them wins over installed packs (packs in data_dir), which win over built-in ones."`
	PackIndex       []string  `yaml:"pack_index" doc:"Where packs are looked up by name: addresses or files of indexes, JSON of the form {\"packs\": {NAME: {\"repo_url\": ..., \"version\": ...}}}. Of two packs with the same name that of the index listed first counts."`
	Configs         string    `yaml:"configs" kind:"path" doc:"Folder that holds the configurations of packs, one file REF.yaml a pack. Empty means configs in data_dir."`
	Overrides       string    `yaml:"overrides" kind:"path" doc:"Folder that holds what is switched on and off in packs, _global.yaml and one file REF.yaml a pack. Empty means overrides in data_dir."`
	Python          Python    `yaml:"python"`
	Secrets         Secrets   `yaml:"secrets"`
	Chat            Chat      `yaml:"chat"`
	People          People    `yaml:"people" doc:"Who is who: the name of a user, below it what they are called in chat and the groups they are in; see docs/chatops.md. Who is not listed has their login name and no groups."`
	Workers         Workers   `yaml:"workers"`
	Webhooks        []Webhook `yaml:"webhooks"`
	Retention       Retention `yaml:"retention"`
	Log             Log       `yaml:"log"`
	ShutdownTimeout Duration  `yaml:"shutdown_timeout" doc:"How long a stopping program waits for running actions before it hands their work back."`

	origins map[string]origin // key path -> where a value that is not a default came from
}

// Store says where state lives.
type Store struct {
	URL         URL    `yaml:"url" doc:"Where state lives: sqlite:PATH, or redis://user:password@host:6379/0 (rediss:// with TLS; see docs/operations.md). Empty means sqlite: petrel.db in data_dir. The short form 'store: URL' sets this key."`
	Synchronous string `yaml:"synchronous" enum:"full,normal" doc:"SQLite: 'full' keeps every accepted event through a power failure; 'normal' is faster and may lose the last moments then. Neither loses anything when only the program dies."`
}

// HTTP is the server of webhooks, API and console.
type HTTP struct {
	Listen    string `yaml:"listen" doc:"Address and port of the HTTP server, host:port. Port 0 takes a free one."`
	PublicURL string `yaml:"public_url" doc:"Address under which people and chat platforms reach this server, such as https://petrel.example.org. Mattermost calls it for buttons and slash commands. Empty means http:// and listen."`
	MaxBody   Size   `yaml:"max_body" doc:"Largest request body that is accepted."`
	Token     Secret `yaml:"token" doc:"Secret that every request to /api must carry, in the header St2-Api-Key or X-Auth-Token. It may be empty only while listen is a loopback address."`
}

// Python is how Python actions are run.
type Python struct {
	Prewarm     bool   `yaml:"prewarm" doc:"Keep an interpreter a pack ready, and make every run a fork of it: a run then takes milliseconds. Off, every run starts an interpreter."`
	Interpreter string `yaml:"interpreter" doc:"Python of packs that have no virtualenv, and what virtualenvs are made with: a path, or a name that is looked up. Python 3.8 or newer."`
	CommonLibs  bool   `yaml:"common_libs" doc:"Put the folder lib of a pack on the module path of its actions, as StackStorm's packs.enable_common_libs does."`
}

// Secrets are the keys that secret values are encrypted with.
type Secrets struct {
	KeyFile           string `yaml:"key_file" kind:"path" doc:"File with the keys that secret items of the datastore are encrypted with. Empty means keys.json in data_dir; with SQLite it is made when it is first needed. Processes that share a Redis need the same keys: make them with 'petrel key generate FILE'. Keep a copy in a safe place: without it the values are lost."`
	StackStormKeyFile string `yaml:"stackstorm_key_file" kind:"path" doc:"StackStorm's key file (keyvalue.encryption_key_path), to read values that StackStorm encrypted. 'petrel key rotate' encrypts them with Petrel's own key, then it is not needed any more."`
}

// Workers are the goroutines that run actions.
type Workers struct {
	MaxWaiting     int  `yaml:"max_waiting" doc:"How many events and actions may wait in all before webhooks are answered 503 and commands 'busy'. 0 means no bound."`
	MaxResult      Size `yaml:"max_result" doc:"Largest result of an action. What is larger fails the execution; those over 64 KiB are stored apart."`
	ValidateOutput bool `yaml:"validate_output" doc:"Hold the results of actions to their output_schema, as StackStorm's system.validate_output_schema does: a result that does not fit fails the execution."`
	Concurrency    int  `yaml:"concurrency" doc:"How many actions of one kind (runner) run at the same time."`
}

// Log is the program's own log, on standard error.
type Log struct {
	Level  string `yaml:"level" enum:"debug,info,warn,error" doc:"Least severe entries that are written."`
	Format string `yaml:"format" enum:"auto,text,json" doc:"'auto' is text on a terminal and JSON otherwise."`
}

// Default returns the configuration of a machine with nothing configured.
func Default() *Config {
	return &Config{
		DataDir:   "./data",
		Roles:     []string{},
		Packs:     []string{},
		PackIndex: []string{"https://index.stackstorm.org/v1/index.json"},
		Store:     Store{Synchronous: "full"},
		HTTP:      HTTP{Listen: "127.0.0.1:8080", MaxBody: 1 << 20},
		People:    People{},
		Python:    Python{Prewarm: true, Interpreter: "python3"},
		Chat: Chat{
			Prefix:            "!",
			Name:              "petrel",
			Admins:            []string{},
			StillRunningAfter: Duration(time.Minute),
			Terminal:          Terminal{DefaultChannel: "#general"},
			Mattermost:        Mattermost{CommandTokens: []string{}},
		},
		Workers:         Workers{MaxWaiting: 100_000, MaxResult: 64 << 20, Concurrency: 20},
		Webhooks:        []Webhook{},
		Retention:       Retention{Executions: month, TriggerInstances: month, Enforcements: month, DeadLetters: month},
		Log:             Log{Level: "info", Format: "auto"},
		ShutdownTimeout: Duration(10 * time.Second),
		origins:         map[string]origin{},
	}
}

// month is how long records are kept unless it is said.
const month = Duration(30 * 24 * time.Hour)

// StoreURL returns where state lives, the default spelled out.
func (c *Config) StoreURL() string {
	if c.Store.URL == "" {
		return "sqlite:" + filepath.Join(c.DataDir, "petrel.db")
	}
	return c.Store.URL.Reveal()
}

// SQLitePath returns the file of the store, and false when it is no SQLite file.
func (c *Config) SQLitePath() (string, bool) { return strings.CutPrefix(c.StoreURL(), "sqlite:") }

// ConfigsDir returns the folder of the packs' configurations.
func (c *Config) ConfigsDir() string {
	if c.Configs != "" {
		return c.Configs
	}
	return filepath.Join(c.DataDir, "configs")
}

// InstallDir returns the folder that packs are installed into. It comes after the
// folders of Packs and before the built-in packs.
func (c *Config) InstallDir() string { return filepath.Join(c.DataDir, "packs") }

// KeyFile returns the file of the keys that secret values are encrypted with.
func (c *Config) KeyFile() string {
	if c.Secrets.KeyFile != "" {
		return c.Secrets.KeyFile
	}
	return filepath.Join(c.DataDir, "keys.json")
}

// OverridesDir returns the folder of the overrides of packs.
func (c *Config) OverridesDir() string {
	if c.Overrides != "" {
		return c.Overrides
	}
	return filepath.Join(c.DataDir, "overrides")
}

// VirtualenvsDir returns the folder of the packs' virtualenvs.
func (c *Config) VirtualenvsDir() string { return filepath.Join(c.DataDir, "virtualenvs") }

// validate checks what the types alone do not say.
func (c *Config) validate(report func(key, format string, args ...any)) {
	if c.DataDir == "" {
		report("data_dir", "must not be empty; the default is ./data")
	}
	if problem := checkStoreURL(c.StoreURL()); problem != "" {
		report("store.url", "%s; write sqlite:PATH, for example sqlite:./data/petrel.db, or redis://host:6379/0", problem)
	}
	if _, port, err := net.SplitHostPort(c.HTTP.Listen); err != nil {
		report("http.listen", "%q is not host:port; write for example 127.0.0.1:8080, or :8080 for all interfaces", c.HTTP.Listen)
	} else if _, err := net.LookupPort("tcp", port); err != nil {
		report("http.listen", "%q is not a port between 0 and 65535", port)
	} else if c.HTTP.Token == "" && !isLoopback(c.HTTP.Listen) {
		report("http.listen", "%q can be reached from other machines, so http.token must be set; or listen on 127.0.0.1", c.HTTP.Listen)
	}
	if c.HTTP.MaxBody < 1 {
		report("http.max_body", "must be at least 1 byte, for example 1MiB")
	}
	if c.Workers.MaxWaiting < 0 {
		report("workers.max_waiting", "must not be negative; 0 means no bound")
	}
	if c.Python.Interpreter == "" {
		report("python.interpreter", "must not be empty; the default is python3")
	}
	if c.Workers.MaxResult < 1<<10 || c.Workers.MaxResult > 100<<20 {
		report("workers.max_result", "must be 1KiB to 100MiB, for example 64MiB")
	}
	if c.Workers.Concurrency < 1 {
		report("workers.concurrency", "must be at least 1")
	}
	if c.ShutdownTimeout <= 0 {
		report("shutdown_timeout", "must be longer than 0s, for example 10s")
	}
	c.Chat.validate(report)
	for i := range c.Webhooks {
		c.Webhooks[i].validate(func(key, format string, args ...any) { report(fmt.Sprintf("webhooks[%d].%s", i, key), format, args...) })
	}
	c.People.validate(report)
	for i, dir := range c.Packs {
		if dir == "" {
			report("packs", "entry %d is empty; each entry is a folder", i+1)
		}
	}
}

// checkStoreURL says what is wrong with the URL of a store, "" when nothing is.
func checkStoreURL(s string) string {
	scheme, rest, _ := strings.Cut(s, ":")
	switch scheme {
	case "sqlite":
		if rest == "" {
			return "sqlite: names no file"
		}
	case "redis", "rediss", "unix":
		if u, err := url.Parse(s); err != nil || u.Host == "" && u.Path == "" {
			return fmt.Sprintf("%q is no address of a Redis", URL(s))
		}
	default:
		return fmt.Sprintf("%q is not a store", URL(s))
	}
	return ""
}

// isLoopback reports whether an address takes connections of this machine only.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func isSpace(r rune) bool { return strings.ContainsRune(" \t\r\n", r) }

// origin is where a value was set.
type origin struct {
	file string // a file name, or "environment", "command line"
	line int    // 0 outside files
	name string // what the user wrote there, when it is not the key itself: PETREL_DATA_DIR
}

func (o origin) String() string {
	switch {
	case o.line > 0:
		return fmt.Sprintf("%s:%d", o.file, o.line)
	case o.name != "":
		return o.file + " " + o.name
	}
	return o.file
}
