package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed says which packages of ours a room may import, by the longest prefix
// that fits the importer. A trailing /... takes in everything below. It is the
// picture in docs/architecture.md.
var allowed = map[string][]string{
	"config":                      {},
	"adapters":                    {},
	"adapters/markup":             {},
	"adapters/slack":              {"adapters", "adapters/markup"},
	"adapters/mattermost":         {"adapters", "adapters/markup"},
	"adapters/discord":            {"adapters", "adapters/markup"},
	"adapters/terminal":           {"adapters", "adapters/markup", "adapters/terminal/..."},
	"adapters/adaptertest":        {"adapters"},
	"store":                       {},
	"store/sqlite":                {"store", "store/internal/..."},
	"store/redis":                 {"store", "store/internal/..."},
	"store/internal":              {"store"},
	"store/storetest":             {"store"},
	"engine":                      {},
	"engine/expression/value":     {},
	"engine/expression/pyregex":   {"engine/expression/..."},
	"engine/expression/jsonpath":  {"engine/expression/..."},
	"engine/expression/functions": {"engine/expression/..."},
	"engine/expression":           {"engine", "engine/expression/..."},
	"engine/params":               {"engine", "engine/expression/..."},
	"engine/workflow":             {"engine", "engine/expression/...", "engine/params", "engine/workflow/..."},
	"engine/secrets":              {"engine/expression/..."},
	"engine/datastore":            {"engine", "engine/secrets", "store"},
	"engine/policies":             {"engine"},
	"engine/rules":                {"engine", "engine/expression/...", "engine/params"},
	"engine/runners":              {"engine", "engine/expression/...", "engine/params", "engine/runners/..."},
	"engine/sensors":              {"engine", "engine/expression/...", "engine/sensors/..."},
	"engine/pipeline":             {"engine", "engine/...", "store"},
	"aliases":                     {"engine", "engine/expression/..."},
	"packs":                       {"aliases", "engine", "engine/params", "engine/expression/value", "store", "packs/..."},
	"bot":                         {"..."},
	"tests":                       {"..."},
}

// drivers are libraries that exactly one package may import.
var drivers = map[string]string{
	"modernc.org/sqlite":                      "petrel/store/sqlite",
	"github.com/redis/go-redis/v9":            "petrel/store/redis",
	"github.com/slack-go/slack":               "petrel/adapters/slack",
	"github.com/bwmarrin/discordgo":           "petrel/adapters/discord",
	"github.com/mattermost/mattermost/server": "petrel/adapters/mattermost",
}

type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// TestImports holds every package to the picture of who may know whom.
func TestImports(t *testing.T) {
	for _, p := range list(t) {
		room := strings.TrimPrefix(p.ImportPath, "petrel/")
		rule, ok := ruleFor(room)
		if !ok {
			t.Errorf("%s is in no room of the house: add it to docs/architecture.md and here, or move it", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if name, ours := strings.CutPrefix(imported, "petrel/"); ours && !permits(rule, name) {
				t.Errorf("%s imports %s, which its room may not know", p.ImportPath, imported)
			}
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for driver, owner := range drivers {
				if (imported == driver || strings.HasPrefix(imported, driver+"/")) && p.ImportPath != owner {
					t.Errorf("%s imports %s; only %s may", p.ImportPath, imported, owner)
				}
			}
			if strings.HasPrefix(imported, "petrel/bot") && !strings.HasPrefix(room, "bot") && room != "tests" {
				t.Errorf("%s imports %s; nothing imports bot", p.ImportPath, imported)
			}
		}
	}
}

func ruleFor(room string) ([]string, bool) {
	for prefix := room; ; {
		if rule, ok := allowed[prefix]; ok {
			return rule, true
		}
		i := strings.LastIndexByte(prefix, '/')
		if i < 0 {
			return nil, false
		}
		prefix = prefix[:i]
	}
}

func permits(rule []string, name string) bool {
	return slices.ContainsFunc(rule, func(allowed string) bool {
		below, deep := strings.CutSuffix(allowed, "...")
		return name == allowed || deep && strings.HasPrefix(name+"/", below)
	})
}

// list asks the go command for all packages of the module.
func list(t *testing.T) []listed {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "petrel/...")
	cmd.Dir, cmd.Stderr = "..", &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("only %d packages found", len(all))
	}
	return all
}
