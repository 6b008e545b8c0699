package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"petrel/engine"
	"petrel/packs"
)

// Packs is what the API needs to register packs.
type Packs interface {
	// RegisterPacks reads all packs from disk and registers them.
	RegisterPacks(ctx context.Context) (Registration, error)
}

// Registration says what a registration found and did.
type Registration struct {
	Changes  []packs.Change       `json:"changes"`
	Packs    map[string]PackCount `json:"packs"` // by ref
	Runners  int                  `json:"runners"`
	Problems []PackProblem        `json:"problems"`
}

// PackCount counts what a pack holds.
type PackCount struct {
	Path     string `json:"path"`
	Triggers int    `json:"triggers"`
	Actions  int    `json:"actions"`
	Rules    int    `json:"rules"`
	Aliases  int    `json:"aliases"`
	Configs  int    `json:"configs"`
}

// PackProblem is something wrong in a pack.
type PackProblem struct {
	Text    string `json:"text"`
	File    string `json:"file"`
	Warning bool   `json:"warning"`
}

// registerTypes are the kinds that StackStorm lets one choose; Petrel registers
// them all whatever is chosen.
var registerTypes = []string{"all", "runner", "action", "trigger", "sensor", "rule", "rule_type", "alias", "policy_type", "policy", "config",
	"runners", "actions", "triggers", "sensors", "rules", "rule_types", "aliases", "policy_types", "policies", "configs"}

// registerPacks reads the packs from disk: {types?, packs?, fail_on_failure=true}.
// The answer counts what they hold; with ?detail=true it is a Registration.
func (h *handler) registerPacks(w http.ResponseWriter, r *http.Request) {
	body := struct {
		Types, Packs  []string
		FailOnFailure *bool `json:"fail_on_failure"`
	}{}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		h.fail(w, engine.Errorf(engine.Invalid, "the body is not {types, packs, fail_on_failure}: %v", err))
		return
	}
	for _, t := range body.Types {
		if !slices.Contains(registerTypes, t) {
			h.fail(w, engine.Errorf(engine.Invalid, "there is no type %q; known are %s", t, strings.Join(registerTypes[:11], ", ")))
			return
		}
	}
	done, err := h.Packs.RegisterPacks(r.Context())
	if err != nil {
		h.fail(w, err)
		return
	}
	if yes(r.URL.Query().Get("detail")) {
		h.write(w, http.StatusOK, done)
		return
	}
	counts, err := done.Counts(body.Packs, body.FailOnFailure == nil || *body.FailOnFailure)
	if err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, counts)
}

// Counts is StackStorm's answer: counts by kind, of the named packs or of all.
func (r Registration) Counts(refs []string, strict bool) (map[string]int, error) {
	total := PackCount{}
	for ref, n := range r.Packs {
		if len(refs) > 0 && !slices.Contains(refs, ref) {
			continue
		}
		total.Triggers += n.Triggers
		total.Actions += n.Actions
		total.Rules += n.Rules
		total.Aliases += n.Aliases
		total.Configs += n.Configs
		for _, p := range r.Problems {
			if strict && !p.Warning && strings.HasPrefix(p.File, n.Path+"/") {
				return nil, engine.Errorf(engine.Invalid, "Failed to register pack %q: %s", ref, p.Text)
			}
		}
	}
	for _, ref := range refs {
		if _, ok := r.Packs[ref]; !ok {
			return nil, &engine.Error{Code: engine.Invalid, Message: fmt.Sprintf("Pack %q not found on disk: it is in none of the folders of packs, or its pack.yaml is wrong", ref)}
		}
	}
	return map[string]int{
		"runners": r.Runners, "triggers": total.Triggers, "actions": total.Actions, "rules": total.Rules, "aliases": total.Aliases, "configs": total.Configs,
	}, nil
}
