package slack

import (
	"encoding/json"
	"time"
)

// A response_url works this often, for this long.
const (
	replyUses = 5
	replyLife = 30 * time.Minute
)

// origins of a handle.
const (
	fromCommand   = "c" // a slash command: replace_original changes our last answer to it
	fromMessage   = "m" // a message of ours that everybody sees
	fromEphemeral = "e" // a message of ours that one person sees
)

// handle is Event.Reply: where an interaction can be answered.
type handle struct {
	URL     string `json:"u,omitempty"`
	At      int64  `json:"t"`           // when it was given, Unix seconds
	User    string `json:"p"`           // whose interaction it was
	From    string `json:"f"`           // fromCommand, ...
	Message string `json:"m,omitempty"` // the message that was pressed
}

// maxHandle is the contract's limit for Event.Reply.
const maxHandle = 1024

func (h handle) pack() string {
	raw, err := json.Marshal(h)
	if err == nil && len(raw) > maxHandle {
		h.URL = ""
		raw, err = json.Marshal(h)
	}
	if err != nil {
		return ""
	}
	return string(raw)
}

func unpack(reply string) (h handle) {
	if json.Unmarshal([]byte(reply), &h) != nil {
		return handle{}
	}
	return h
}

// spend takes one use of a handle's URL, leaving so many for later. It reports
// false when the URL does not work any more, or must be kept.
func (a *Adapter) spend(h handle, leave int) bool {
	// A minute less: our clock is not Slack's.
	if h.URL == "" || time.Since(time.Unix(h.At, 0)) > replyLife-time.Minute {
		return false
	}
	ok := false
	a.uses.change(h.URL, func(used int, _ bool) int {
		if ok = used+leave < replyUses; ok {
			used++
		}
		return used
	})
	return ok
}

// exhaust remembers that Slack takes no more at a URL.
func (a *Adapter) exhaust(h handle) { a.uses.put(h.URL, replyUses) }
