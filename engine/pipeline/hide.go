package pipeline

import (
	"encoding/json"

	"petrel/engine"
	"petrel/engine/secrets"
)

// hider hides what must not be seen of one execution: the values of its secret
// parameters, wherever they occur, and the secret texts that the program knows.
type hider struct{ own, all *secrets.Masker }

func (s *Service) hider(e *engine.Execution) hider {
	h := hider{all: s.masker}
	if known := s.schemaOf(e); known != nil {
		h.own = secrets.NewMasker(known.params.SecretTexts(e.Parameters)...)
	}
	return h
}

func (h hider) text(t string) string { return h.all.Text(h.own.Text(t)) }

func (h hider) json(raw json.RawMessage) json.RawMessage { return h.all.JSON(h.own.JSON(raw)) }

// Shown is an execution as people may see it: secret parameters, the parts of
// the result that the schema calls secret, and secret texts in both are hidden.
func (s *Service) Shown(e *engine.Execution) engine.Execution {
	shown := *e
	shown.Parameters = s.MaskedParameters(e)
	if len(e.Result) > 0 {
		shown.Result = s.maskedResult(e)
	}
	return shown
}
