package slack

import "encoding/json"

// What Slack sends, as far as it is read. The client library's own types for
// these change often and refuse what they do not know.

// kinds of deliveries, by Socket Mode's names.
const (
	kindEvents      = "events_api"
	kindCommand     = "slash_commands"
	kindInteraction = "interactive"
)

// envelope is a frame of Socket Mode.
type envelope struct {
	Type         string          `json:"type"`
	ID           string          `json:"envelope_id"`
	Reason       string          `json:"reason"` // of a disconnect
	Payload      json.RawMessage `json:"payload"`
	RetryAttempt int             `json:"retry_attempt"`
}

// callback is the outer part of an Events API delivery.
type callback struct {
	Type      string          `json:"type"`
	Challenge string          `json:"challenge"`
	EventID   string          `json:"event_id"`
	Event     json.RawMessage `json:"event"`
}

// said is a message or app_mention event.
type said struct {
	Type    string `json:"type"`
	Subtype string `json:"subtype"`
	Channel string `json:"channel"`
	User    string `json:"user"`
	BotID   string `json:"bot_id"`
	Text    string `json:"text"`
	TS      string `json:"ts"`
	Thread  string `json:"thread_ts"`
	Edited  *struct {
		TS string `json:"ts"`
	} `json:"edited"`
}

// slashed is the call of a slash command.
type slashed struct {
	Command     string `json:"command"`
	Text        string `json:"text"`
	UserID      string `json:"user_id"`
	ChannelID   string `json:"channel_id"`
	ResponseURL string `json:"response_url"`
	TriggerID   string `json:"trigger_id"`
}

// interaction is a press of a button, a choice in a select, or a form that was
// sent.
type interaction struct {
	Type        string   `json:"type"`
	TriggerID   string   `json:"trigger_id"`
	ResponseURL string   `json:"response_url"`
	User        idOnly   `json:"user"`
	Channel     idOnly   `json:"channel"`
	Actions     []action `json:"actions"`
	Container   struct {
		Type      string `json:"type"`
		Message   string `json:"message_ts"`
		Channel   string `json:"channel_id"`
		Thread    string `json:"thread_ts"`
		Ephemeral bool   `json:"is_ephemeral"`
	} `json:"container"`
	Message struct {
		Thread string `json:"thread_ts"`
	} `json:"message"`
	View struct {
		ID       string `json:"id"`
		Hash     string `json:"hash"`
		Callback string `json:"callback_id"`
		Private  string `json:"private_metadata"`
		State    struct {
			Values map[string]map[string]input `json:"values"`
		} `json:"state"`
		Blocks []struct {
			Type string `json:"type"`
			ID   string `json:"block_id"`
		} `json:"blocks"`
	} `json:"view"`
}

type idOnly struct {
	ID string `json:"id"`
}

type action struct {
	ID       string  `json:"action_id"`
	Type     string  `json:"type"`
	Value    string  `json:"value"`
	TS       string  `json:"action_ts"`
	Selected *choice `json:"selected_option"`
}

type choice struct {
	Value string `json:"value"`
}

// input is what is filled in in one field of a form.
type input struct {
	Type     string   `json:"type"`
	Value    string   `json:"value"`
	Selected *choice  `json:"selected_option"`
	Checked  []choice `json:"selected_options"`
}
