package server

import (
	"encoding/json"
	"log/slog"
	"sync"

	"petrel/engine"
	"petrel/engine/params"
)

// payloads holds payloads to the schemas of their trigger types. Defaults that a
// schema has are not put in.
type payloads struct {
	forms sync.Map // *engine.TriggerType -> *params.Form, nil: cannot be checked
}

func (p *payloads) check(kind *engine.TriggerType, payload json.RawMessage, log *slog.Logger) error {
	if len(kind.PayloadSchema) == 0 {
		return nil
	}
	known, ok := p.forms.Load(kind)
	if !ok {
		form, err := params.CompileForm(kind.PayloadSchema)
		if err != nil {
			log.Warn("the payloads of a trigger type cannot be checked", "trigger", kind.Ref, "error", err)
			form = nil
		}
		known, _ = p.forms.LoadOrStore(kind, form)
	}
	form, _ := known.(*params.Form)
	if form == nil {
		return nil
	}
	_, err := form.Accept(payload)
	return err
}

// checkPayload refuses a payload that does not fit its trigger type, and a trigger
// type that there is not.
func (s *Server) checkPayload(trigger string, payload json.RawMessage) error {
	kind, ok := s.library.Snapshot().TriggerType(trigger)
	if !ok {
		return engine.Errorf(engine.NotFound, "there is no trigger type %q", trigger)
	}
	if err := s.payloads.check(kind, payload, s.log); err != nil {
		return engine.Errorf(engine.Invalid, "the payload does not fit the trigger type %s: %v", trigger, err)
	}
	return nil
}
