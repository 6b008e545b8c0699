package engine

import (
	"encoding/json"
	"time"
)

// Rule starts an action when a trigger instance meets its criteria.
type Rule struct {
	ID           string          `json:"id"`
	Ref          string          `json:"ref"`
	UID          string          `json:"uid"`
	Pack         string          `json:"pack"`
	Name         string          `json:"name"`
	Description  string          `json:"description,omitempty"`
	Enabled      bool            `json:"enabled"`
	Type         RuleType        `json:"type"`
	Trigger      TriggerSpec     `json:"trigger"`
	Criteria     json.RawMessage `json:"criteria,omitempty"` // object, key order kept
	When         string          `json:"when,omitempty"`     // expr, Petrel's own content
	Action       ActionCall      `json:"action"`
	MetadataFile string          `json:"metadata_file,omitempty"`
}

// RuleType is {ref: standard} or {ref: backstop}.
type RuleType struct {
	Ref string `json:"ref"`
}

// ActionCall names an action and its (possibly templated) parameters.
type ActionCall struct {
	Ref        string          `json:"ref"`
	Parameters json.RawMessage `json:"parameters,omitempty"`
}

// Enforcement records that a rule matched an instance, and what came of it.
type Enforcement struct {
	ID                string    `json:"id"`
	TriggerInstanceID string    `json:"trigger_instance_id"`
	Rule              RuleRef   `json:"rule"`
	EnforcedAt        time.Time `json:"enforced_at"`
	Status            Status    `json:"status"` // succeeded or failed
	ExecutionID       string    `json:"execution_id,omitempty"`
	FailureReason     string    `json:"failure_reason,omitempty"`
}

// RuleRef names a rule on a record.
type RuleRef struct {
	ID  string `json:"id"`
	Ref string `json:"ref"`
	UID string `json:"uid,omitempty"`
}
