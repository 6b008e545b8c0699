package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// Names of the trigger types that the engine itself knows.
const (
	TriggerWebhook       = "core.st2.webhook"
	TriggerIntervalTimer = "core.st2.IntervalTimer"
	TriggerDateTimer     = "core.st2.DateTimer"
	TriggerCronTimer     = "core.st2.CronTimer"
	TriggerKeyCreate     = "core.st2.key_value_pair.create"
	TriggerKeyUpdate     = "core.st2.key_value_pair.update"
	TriggerKeyChange     = "core.st2.key_value_pair.value_change"
	TriggerKeyDelete     = "core.st2.key_value_pair.delete"
	TriggerChatCommand   = "core.chat.command"
	TriggerChatMessage   = "core.chat.message"
	TriggerInquiry       = "core.st2.generic.inquiry"
	TriggerNotify        = "core.st2.generic.notifytrigger"
	TriggerChatForm      = "core.chat.form"
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
	DeliveryID     string          `json:"delivery_id,omitempty"` // by which a repeated delivery is known
	Problem        string          `json:"problem,omitempty"`     // why processing failed
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

// Key narrows a trigger type to the one trigger that the spec means: rules with
// equal keys share a trigger. It is empty for types without parameters.
func (t TriggerSpec) Key() (string, error) {
	if len(t.Parameters) == 0 {
		return "", nil
	}
	var params map[string]any
	if err := json.Unmarshal(t.Parameters, &params); err != nil {
		return "", Errorf(Invalid, "parameters of trigger %s must be an object: %v", t.Type, err)
	}
	if len(params) == 0 {
		return "", nil
	}
	if t.Type == TriggerWebhook {
		url, ok := params["url"].(string)
		if !ok || strings.Trim(url, "/") == "" {
			return "", Errorf(Invalid, "a trigger of type %s needs the parameter url, a path such as \"alerts\"", TriggerWebhook)
		}
		return strings.Trim(url, "/"), nil
	}
	canonical, err := json.Marshal(params) // keys sorted
	if err != nil {
		return "", Errorf(Invalid, "parameters of trigger %s: %v", t.Type, err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:8]), nil
}
