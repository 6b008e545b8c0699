package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"petrel/adapters"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// inquire tells a conversation how a question stands: that it is asked, who has
// answered so far, how it ended.
func (c *Chat) inquire(ctx context.Context, item store.Item, n pipeline.Notice) error {
	var p place
	if err := json.Unmarshal(n.Detail, &p); err != nil {
		return fmt.Errorf("%w: unreadable origin: %w", errUndeliverable, err)
	}
	q, e, err := c.service.Inquiry(ctx, n.Execution)
	if err != nil {
		return err
	}
	m := adapters.Message{To: p.To, InReplyTo: p.Message, Blocks: inquiryWords(&q, &e)}
	// A redelivery has the same time, a reminder another.
	m.Key = fmt.Sprintf("%s/inquiry/%s/%d/%d", q.ID, e.Status, len(q.Answers), item.Pushed.UnixMilli())
	_, err = c.send(ctx, p.Adapter, m)
	return err
}

// inquiryWords says how a question stands.
func inquiryWords(q *pipeline.Inquiry, e *engine.Execution) []adapters.Block {
	question := q.Message
	if question == "" {
		question = "A workflow asks for an answer."
	}
	blocks := []adapters.Block{paragraph("*%s*", question)}
	for _, a := range q.Answers {
		blocks = append(blocks, paragraph("%s answered `%s`.", a.By, inline(string(a.Response))))
	}
	switch e.Status {
	case engine.Pending:
	case engine.Succeeded:
		return blocks
	case engine.TimedOut:
		return append(blocks, paragraph("The time to answer is over."))
	default:
		return append(blocks, paragraph("No answer is wanted any more: it is %s.", e.Status))
	}
	var who []string
	if len(q.Users) > 0 {
		who = append(who, strings.Join(q.Users, " or "))
	}
	if len(q.Roles) > 0 {
		who = append(who, "with the role "+strings.Join(q.Roles, " or "))
	}
	if a := q.Approvers; a != nil {
		if left := a.Count - len(q.Answers); left > 1 {
			who = append(who, fmt.Sprintf("%d more people", left))
		}
		if len(a.Groups) > 0 {
			who = append(who, "of "+strings.Join(a.Groups, " or "))
		}
		if a.ExcludeRequester {
			who = append(who, "other than "+q.Requester)
		}
	}
	wanted := "It waits for an answer"
	if len(who) > 0 {
		wanted += " of " + strings.Join(who, ", ")
	}
	if q.ExpiresAt != nil {
		wanted += ", until " + q.ExpiresAt.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	return append(blocks, paragraph("%s (inquiry `%s`).", wanted, q.ID))
}
