package server

import (
	"context"
	"errors"
	"time"

	"petrel/engine/datastore"
	"petrel/store"
)

// watchPause is how long the watch waits after it failed.
const watchPause = 5 * time.Second

// watchOthers keeps up with what other processes (and this one) change until ctx
// ends: secret values are learned, so that they can be hidden, and packs are read
// again when somebody asks for it.
func (s *Server) watchOthers(ctx context.Context) error {
	after, err := s.store.LastEvent(ctx)
	learn, reload := true, false
	for {
		if err == nil && learn {
			if err = s.items.Learn(ctx); err == nil {
				learn = false
			}
		}
		if err == nil && reload {
			if _, err = s.loadPacks(ctx); err == nil {
				reload = false
			}
		}
		var events []store.Event
		if err == nil {
			events, err = s.store.Events(ctx, after, 256)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrClosed):
			return err
		case err != nil:
			s.log.Warn("what other processes change is not known just now", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(watchPause):
			}
			err = nil
			continue
		}
		for _, ev := range events {
			after = ev.Seq
			learn = learn || ev.Type == datastore.EventChanged
			reload = reload || ev.Type == eventReload && ev.Key != s.member.node.Name
		}
	}
}
