package engine

import "slices"

// Sensor is a program that watches something and emits triggers.
type Sensor struct {
	ID          string `json:"id"`
	Ref         string `json:"ref"`
	UID         string `json:"uid"`
	Pack        string `json:"pack"`
	Name        string `json:"name"`
	ClassName   string `json:"class_name,omitempty"` // of a Python sensor
	Description string `json:"description,omitempty"`
	Enabled     bool   `json:"enabled"`
	// EntryPoint is the file relative to the pack's folder sensors/.
	EntryPoint string `json:"entry_point"`
	// Runner is how it is run: SensorPython, or SensorProcess for a program in
	// any language that prints one JSON object a line.
	Runner string `json:"runner"`
	// Arguments are given to a sensor of SensorProcess.
	Arguments    []string `json:"arguments,omitempty"`
	PollInterval int      `json:"poll_interval,omitempty"` // seconds; 0: it does not poll, or every DefaultPollInterval
	TriggerTypes []string `json:"trigger_types"`           // refs
	MetadataFile string   `json:"metadata_file,omitempty"`

	// Dir is the folder of the pack on this machine; not stored.
	Dir string `json:"-"`
}

// How sensors are run.
const (
	SensorPython  = "python"
	SensorProcess = "process"
)

// DefaultPollInterval is how often a polling sensor polls whose metadata does not
// say, in seconds.
const DefaultPollInterval = 5

// Emits reports whether a sensor declares a trigger type.
func (s *Sensor) Emits(trigger string) bool { return slices.Contains(s.TriggerTypes, trigger) }
