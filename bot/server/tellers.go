package server

import (
	"context"
	"encoding/json"

	"petrel/engine/pipeline"
	"petrel/engine/runners"
	"petrel/engine/runners/emit"
	"petrel/engine/runners/winrm"
	"petrel/store"
)

// EventAnnouncement is the type of the event of an announcement: its key is the
// route, its body {payload, trace_context}.
const EventAnnouncement = "announcement"

// moreKinds lists the runners that reach into the server itself, and those of
// Windows. s may be nil when only their specs are wanted.
func moreKinds(s *Server) []runners.Runner {
	announce := &emit.Announcement{}
	inject := &emit.Injection{}
	manager := &packManager{server: s}
	if s != nil {
		announce.Publish, announce.Say, inject.Dispatch = s.announce, s.chat.PostMessage(), s.inject
	}
	return []runners.Runner{
		winrm.NewCommand(winrm.Options{}), winrm.NewPowerShell(winrm.Options{}), winrm.NewScript(winrm.Options{}),
		announce, inject, manager,
	}
}

func (s *Server) announce(ctx context.Context, route string, message json.RawMessage) error {
	return s.store.Commit(ctx, &store.Batch{Events: []store.Event{{Type: EventAnnouncement, Key: route, Body: message}}})
}

// inject makes an event of a known type happen, when its payload fits the type.
func (s *Server) inject(ctx context.Context, e emit.Event) (string, error) {
	if err := s.checkPayload(e.Trigger, e.Payload); err != nil {
		return "", err
	}
	receipt, err := s.service.Dispatch(ctx, pipeline.Dispatch{Trigger: e.Trigger, Payload: e.Payload, TraceTag: e.TraceTag, DeliveryID: e.Delivery})
	return receipt.ID, err
}
