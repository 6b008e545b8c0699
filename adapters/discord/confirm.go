package discord

import (
	"context"
	"crypto/rand"
	"strings"
	"unicode/utf8"

	"petrel/adapters"
)

// Discord has no question before a press counts. A button that wants one is
// answered by the question, privately, with a button that stands for the press.
const (
	confirmMark = "\u2064"             // begins the ID of a button that wants a question
	sureMark    = "petrel-press-sure:" // begins the ID of the button below the question
)

// pressed is a press that waits for its question to be answered.
type pressed struct {
	button  string // Button.ID
	message string // that it is under
}

// pressID is the ID on the wire of a button.
func pressID(b adapters.Button) string {
	if b.Confirm != "" && utf8.RuneCountInString(b.ID) < customID {
		return confirmMark + b.ID
	}
	return b.ID
}

// rememberQuestions keeps what is to be asked before the presses of a message.
func (a *Adapter) rememberQuestions(m adapters.Message) {
	for _, b := range m.Buttons {
		if b.Confirm != "" {
			a.questions.put(b.ID, b.Confirm)
		}
	}
}

// confirm deals with the two presses of a button that wants a question. It asks
// at the first (true: nothing more to do) and turns the second into the press.
func (a *Adapter) confirm(ctx context.Context, p *answering) bool {
	if p.i.Type != interactionComponent || p.i.Message == nil {
		return false
	}
	if id, ok := strings.CutPrefix(p.i.Data.CustomID, confirmMark); ok {
		question, known := a.questions.get(id)
		if !known {
			question = "Do you really want that?" // another process sent the button
		}
		token := rand.Text()
		a.sure.put(token, pressed{button: id, message: p.i.Message.ID})
		button := map[string]any{"type": 2, "style": 4, "label": "Yes", "custom_id": sureMark + token}
		p.answer(ctx, private(question, actionRow(button)), question)
		return true
	}
	token, ok := strings.CutPrefix(p.i.Data.CustomID, sureMark)
	if !ok {
		return false
	}
	press, known := a.sure.get(token)
	if !known {
		const gone = "That was answered already, or is too long ago. Please press the first button again."
		p.answer(ctx, private(gone), gone)
		return true
	}
	a.sure.drop(token)
	p.i.Data.CustomID, p.i.Message.ID = press.button, press.message
	return false
}
