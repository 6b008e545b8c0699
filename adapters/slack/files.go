package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// sendFiles uploads the files of a message that was posted: to the same place,
// or, when the message is for one person, into the direct conversation. What is
// the rest of a text that was too long goes under the message.
func (a *Adapter) sendFiles(ctx context.Context, s *sending, m adapters.Message, r rendered) error {
	files := m.Files
	if r.whole != nil {
		files = append(slices.Clone(files), *r.whole)
	}
	for s.files < len(files) {
		f := files[s.files]
		channel, thread := s.ref.Channel, a.thread(s.ref.Channel, m, r)
		if thread == "" && s.files >= len(m.Files) {
			thread = s.ref.Message
		}
		// Nobody but one person may see them, or the app is not in the channel.
		if m.To.Private != "" && !strings.HasPrefix(channel, "D") || strings.HasPrefix(s.ref.Message, replyPrefix) {
			person := m.To.Private
			if person == "" {
				person = unpack(m.To.Reply).User
			}
			dm, err := a.direct(ctx, person)
			if err != nil {
				return err
			}
			channel, thread = dm, ""
		}
		err := a.upload(ctx, channel, thread, f)
		var retry *adapters.RetryError
		switch {
		case errors.As(err, &retry):
			return err
		case err != nil && !errors.Is(err, adapters.ErrOutcomeUnknown):
			a.log.Warn("a file could not be uploaded", "adapter", a.name, "file", f.Name, "error", err)
			note := fmt.Sprintf("The file %s could not be uploaded: %v", f.Name, err)
			lost := render(adapters.Message{Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: note}}})
			if _, err := a.postTo(ctx, s, channel, thread, lost); err != nil {
				return err
			}
		}
		s.files++
	}
	return nil
}

// upload brings a file to a channel, in Slack's three steps.
func (a *Adapter) upload(ctx context.Context, channel, thread string, f adapters.File) error {
	content := string(f.Content)
	if content == "" {
		content = "\n" // Slack takes no empty file
	}
	name, title := markup.OneLine(f.Name), markup.OneLine(f.Title)
	if name == "" {
		name = "file.txt"
	}
	if title == "" {
		title = name
	}
	first := &call{method: "files.getUploadURLExternal", again: true}
	ticket, err := a.api.GetUploadURLExternalContext(first.context(ctx), slack.GetUploadURLExternalParameters{FileName: name, FileSize: len(content)})
	if err != nil {
		return first.judge(err)
	}
	second := &call{method: "upload of " + name, again: true}
	if err := a.api.UploadToURL(second.context(ctx), slack.UploadToURLParameters{UploadURL: ticket.UploadURL, Content: content, Filename: name}); err != nil {
		return second.judge(err)
	}
	third := &call{method: "files.completeUploadExternal"}
	_, err = a.api.CompleteUploadExternalContext(third.context(ctx), slack.CompleteUploadExternalParameters{
		Files: []slack.FileSummary{{ID: ticket.FileID, Title: title}}, Channel: channel, ThreadTimestamp: thread,
	})
	return third.judge(err)
}
