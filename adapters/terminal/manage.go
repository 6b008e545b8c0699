package terminal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"petrel/adapters"
)

// Everybody may enter every channel here. What a manager does is therefore said,
// so that people find it.
var (
	_ adapters.Manager   = (*Server)(nil)
	_ adapters.Directory = (*Server)(nil)
)

// CreateChannel implements adapters.Manager. Nothing is private to those who may
// open the socket.
func (s *Server) CreateChannel(ctx context.Context, name string, _ bool) (adapters.Channel, error) {
	channel, err := s.room(name)
	if err != nil {
		return adapters.Channel{}, err
	}
	_, added, err := s.announce(ctx, entryID("channel", channel), channel, "This channel was made.")
	if err != nil {
		return adapters.Channel{}, err
	}
	if !added {
		return adapters.Channel{}, fmt.Errorf("%w: there is a channel %s", adapters.ErrNameTaken, channel)
	}
	return adapters.Channel{ID: channel, Name: channel}, nil
}

// Invite implements adapters.Manager: everybody is told directly.
func (s *Server) Invite(ctx context.Context, channel string, people []string) error {
	channel, err := s.room(channel)
	if err != nil {
		return err
	}
	var problems []error
	for _, who := range people {
		name, err := PersonName(who)
		if err == nil {
			_, _, err = s.announce(ctx, entryID("invited", channel+" "+name), "@"+name, "You are invited to "+channel+"; go there with `/in "+channel+"`.")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", who, err))
		}
	}
	return errors.Join(problems...)
}

// SetTopic implements adapters.Manager.
func (s *Server) SetTopic(ctx context.Context, channel, topic string) error {
	channel, err := s.room(channel)
	if err != nil {
		return err
	}
	_, _, err = s.announce(ctx, entryID("topic", channel+" "+s.now().String()), channel, "The topic is now: "+topic)
	return err
}

// Pin implements adapters.Manager.
func (s *Server) Pin(ctx context.Context, ref adapters.Ref) error {
	return s.change(ctx, "pin", ref, func(e *Entry) error { e.Pinned = true; return nil })
}

// React implements adapters.Manager.
func (s *Server) React(ctx context.Context, ref adapters.Ref, emoji string) error {
	return s.change(ctx, "react to", ref, func(e *Entry) error {
		if !slices.Contains(e.Reactions, emoji) {
			e.Reactions = append(slices.Clone(e.Reactions), emoji)
		}
		return nil
	})
}

// FindUser implements adapters.Directory: whoever has a name may be here.
func (s *Server) FindUser(_ context.Context, who string) (adapters.User, error) {
	name, err := PersonName(who)
	if err != nil || strings.ContainsRune(strings.TrimPrefix(who, "@"), '@') {
		return adapters.User{}, fmt.Errorf("%w: %q", adapters.ErrNoUser, who)
	}
	return adapters.User{ID: name, Name: name, Bot: name == s.opt.BotName}, nil
}

// room is the ID of a channel that several people can be in.
func (s *Server) room(name string) (string, error) {
	channel, err := ChannelName(name)
	if err == nil && channel[0] == '@' {
		err = fmt.Errorf("%s is a conversation of two, not a channel", channel)
	}
	return channel, err
}

// announce says something in the bot's name, once for each ID.
func (s *Server) announce(ctx context.Context, id, channel, text string) (Entry, bool, error) {
	e := Entry{
		ID: id, Channel: channel, From: adapters.User{ID: s.opt.BotName, Name: s.opt.BotName, Bot: true},
		Message: &adapters.Message{To: adapters.Target{Channel: channel}, Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: text}}},
	}
	e, added, err := s.post(ctx, e, "")
	return e, added, err
}
