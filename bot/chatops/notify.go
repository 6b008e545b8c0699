package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"petrel/adapters"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/engine/runners"
)

// notified is the pipeline.Responder of core.st2.generic.notifytrigger: a route
// that is the name of a chat channel is told there. Rules answer the others.
func (c *Chat) notified(_ context.Context, inst *engine.TriggerInstance) (pipeline.Response, error) {
	var n struct {
		Execution string        `json:"execution_id"`
		Status    engine.Status `json:"status"`
		Action    string        `json:"action_ref"`
		Route     string        `json:"route"`
		Message   string        `json:"message"`
	}
	if err := json.Unmarshal(inst.Payload, &n); err != nil {
		return pipeline.Response{}, fmt.Errorf("payload of %s: %w", inst.Trigger, err)
	}
	adapter, channel, ok := c.channelOf(n.Route)
	if !ok {
		return pipeline.Response{}, nil
	}
	m := adapters.Message{To: adapters.Target{Channel: channel}, Key: inst.ID, State: finalState(n.Status), Blocks: authored(n.Message)}
	m.Blocks = append(m.Blocks, paragraph("`%s` %s, execution `%s`.", n.Action, n.Status, n.Execution))
	m.Buttons = []adapters.Button{{ID: buttonDetails + ":" + n.Execution, Label: "Details"}}
	body, err := json.Marshal(post{Adapter: adapter, Message: m})
	if err != nil {
		return pipeline.Response{}, fmt.Errorf("encode a notification: %w", err)
	}
	return pipeline.Response{Outbox: []runners.OutboxEntry{{Conversation: conversation(adapter, m.To), Body: body}}}, nil
}

// channelOf reads a route as the name of a chat channel: "#ops" or "@ann" in the
// first chat, "slack:#ops" in the one of that name. Other routes are none.
func (c *Chat) channelOf(route string) (adapter, channel string, ok bool) {
	name, rest, qualified := strings.Cut(route, ":")
	if !qualified {
		name, rest = "", route
	}
	if len(rest) < 2 || rest[0] != '#' && rest[0] != '@' {
		return "", "", false
	}
	a, ok := c.Adapter(name)
	if !ok || qualified && name == "" {
		c.log.Warn("a notification goes to a chat that is not connected", "route", route)
		return "", "", false
	}
	return a.Name(), rest, true
}
