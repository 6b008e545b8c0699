package engine

import "encoding/json"

// Action is something that can be run.
type Action struct {
	ID           string          `json:"id"`
	Ref          string          `json:"ref"`
	UID          string          `json:"uid"`
	Pack         string          `json:"pack"`
	Name         string          `json:"name"`
	Description  string          `json:"description,omitempty"`
	Enabled      bool            `json:"enabled"`
	RunnerType   string          `json:"runner_type"`
	EntryPoint   string          `json:"entry_point"`
	Parameters   json.RawMessage `json:"parameters,omitempty"` // object: name -> schema, order kept
	OutputSchema json.RawMessage `json:"output_schema,omitempty"`
	Notify       json.RawMessage `json:"notify,omitempty"`
	Idempotent   bool            `json:"idempotent,omitempty"` // may be run again when its worker died
	MetadataFile string          `json:"metadata_file,omitempty"`
	// Dir is the folder of the pack on this machine, for entry points. It is
	// found anew by every process and not part of the record.
	Dir string `json:"-"`
}

// Runner describes a kind of action: its name and the parameters that every
// action of this kind has.
type Runner struct {
	Name        string          `json:"name"`
	Aliases     []string        `json:"aliases,omitempty"`
	Description string          `json:"description,omitempty"`
	Enabled     bool            `json:"enabled"`
	Parameters  json.RawMessage `json:"runner_parameters"` // object: name -> schema
	OutputKey   string          `json:"output_key,omitempty"`
	// Quick: its actions take no time, start no process and change nothing outside
	// of their outcome, which is recorded in one batch. So more of them may run at
	// once, that one runs is not recorded before it has ended, and when its worker
	// dies it is run again.
	Quick bool `json:"-"`
}

// Names of the runners that the engine itself knows.
const (
	RunnerOrquesta = "orquesta"
	RunnerChain    = "action-chain"
	RunnerInquirer = "inquirer"
)

// Conducted reports whether the actions of a runner are workflows: no runner
// carries them out, a conductor does.
func Conducted(runner string) bool { return runner == RunnerOrquesta || runner == RunnerChain }
