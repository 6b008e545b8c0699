package engine

import (
	"encoding/json"
	"time"
)

// Names of the trigger types that the engine itself knows.
const (
	TriggerWebhook       = "core.st2.webhook"
	TriggerIntervalTimer = "core.st2.IntervalTimer"
	TriggerDateTimer     = "core.st2.DateTimer"
	TriggerCronTimer     = "core.st2.CronTimer"
	TriggerChatCommand   = "core.chat.command"
	TriggerChatMessage   = "core.chat.message"
)

// TriggerType is a kind of event: what it is called and what its payload holds.
type TriggerType struct {
	ID               string          `json:"id"`
	Ref              string          `json:"ref"`
	UID              string          `json:"uid"`
	Pack             string          `json:"pack"`
	Name             string          `json:"name"`
	Description      string          `json:"description,omitempty"`
	PayloadSchema    json.RawMessage `json:"payload_schema,omitempty"`
	ParametersSchema json.RawMessage `json:"parameters_schema,omitempty"`
	MetadataFile     string          `json:"metadata_file,omitempty"`
}

// TriggerSpec is what a rule listens to: a type and the parameters that make
// one trigger of it, such as the URL of a webhook.
type TriggerSpec struct {
	Type       string          `json:"type"`
	Parameters json.RawMessage `json:"parameters,omitempty"`
	Ref        string          `json:"ref,omitempty"`
}

// InstanceStatus is how far a trigger instance got.
type InstanceStatus string

const (
	InstancePending    InstanceStatus = "pending"
	InstanceProcessed  InstanceStatus = "processed"
	InstanceProcessErr InstanceStatus = "processing_failed"
)

// TriggerInstance is one event that happened. Trigger is the ref of its type;
// Key narrows it to one trigger of that type (the URL of a webhook, the ID of a
// timer), empty for types without parameters.
type TriggerInstance struct {
	ID             string          `json:"id"`
	Trigger        string          `json:"trigger"`
	Key            string          `json:"key,omitempty"`
	Payload        json.RawMessage `json:"payload"`
	OccurrenceTime time.Time       `json:"occurrence_time"`
	Status         InstanceStatus  `json:"status"`
	TraceID        string          `json:"trace_id"`
	TraceTag       string          `json:"trace_tag,omitempty"`
	Lane           Lane            `json:"lane"`
	Origin         *Origin         `json:"origin,omitempty"`
	Problem        string          `json:"problem,omitempty"` // why processing failed
}

// Origin says where answers about something go. The engine carries it and
// never looks inside.
type Origin struct {
	// Conversation orders and addresses answers: those of one conversation are
	// delivered one after the other.
	Conversation string `json:"conversation"`
	// Detail is for the consumer of the outbox.
	Detail json.RawMessage `json:"detail,omitempty"`
}

// Lane is the priority of work: lower is served first.
type Lane int

const (
	LaneChat  Lane = 0 // a person waits for it
	LaneEvent Lane = 1 // webhooks, API, sensors
	LaneTimer Lane = 2
)
