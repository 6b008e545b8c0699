package engine

import "encoding/json"

// Policy limits or repeats the executions of one action.
type Policy struct {
	ID           string          `json:"id"`
	Ref          string          `json:"ref"`
	UID          string          `json:"uid"`
	Pack         string          `json:"pack"`
	Name         string          `json:"name"`
	Description  string          `json:"description,omitempty"`
	Enabled      bool            `json:"enabled"`
	ResourceRef  string          `json:"resource_ref"` // the action
	PolicyType   string          `json:"policy_type"`
	Parameters   json.RawMessage `json:"parameters"`
	MetadataFile string          `json:"metadata_file,omitempty"`
}

// The types of policies.
const (
	PolicyConcurrency     = "action.concurrency"      // at most so many at a time
	PolicyConcurrencyAttr = "action.concurrency.attr" // at most so many with equal parameters
	PolicyRetry           = "action.retry"            // again when it failed
)

// ConcurrencyLimit is the parameters of PolicyConcurrency and
// PolicyConcurrencyAttr.
type ConcurrencyLimit struct {
	Threshold  int      `json:"threshold"`
	Action     string   `json:"action"`               // "delay" or "cancel"
	Attributes []string `json:"attributes,omitempty"` // parameters whose equality counts
}

// RetryLimit is the parameters of PolicyRetry.
type RetryLimit struct {
	RetryOn       string `json:"retry_on"` // "failure" or "timeout"
	MaxRetryCount int    `json:"max_retry_count"`
	Delay         int    `json:"delay"` // seconds
}
