package terminal

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"petrel/adapters"
)

const (
	maxFile = 16 << 20 // bytes
	// maxText is about three screens: what is longer is better read as a file.
	maxText = 8000
)

// keepFiles keeps the files of a message that is about to be posted.
func (s *Server) keepFiles(ctx context.Context, id string, files []adapters.File) ([]FileInfo, error) {
	var infos []FileInfo
	for _, f := range files {
		name := FileName(f.Name)
		if len(f.Content) > maxFile {
			return nil, fmt.Errorf("the file %s has %d bytes; at most %d are taken", name, len(f.Content), maxFile)
		}
		if err := s.opt.Journal.KeepFile(ctx, id, name, f.Content); err != nil {
			return nil, updateError(err)
		}
		infos = append(infos, FileInfo{Name: name, Title: f.Title, Size: len(f.Content)})
	}
	return infos, nil
}

// file gives a session the content of a file.
func (ses *session) file(ctx context.Context, r Request) error {
	name, err := PersonName(r.As)
	if err != nil {
		return err
	}
	e, err := ses.server.visible(ctx, name, r.ID)
	if err != nil {
		return err
	}
	content, err := ses.server.opt.Journal.File(ctx, e.ID, r.Name)
	if errors.Is(err, ErrNoEntry) {
		return fmt.Errorf("there is no file %q at the message %s", r.Name, r.ID)
	}
	if err != nil {
		return fmt.Errorf("the file %q cannot be read: %w", r.Name, err)
	}
	ses.push(Frame{Is: IsFile, Delivery: r.Delivery, ID: e.ID, Name: r.Name, Content: content})
	return nil
}

// FileName makes a name for a file of any text: no folder, no control
// characters, not hidden.
func FileName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`<>:"|?*`, r) {
			return '-'
		}
		return r
	}, strings.ToValidUTF8(strings.ReplaceAll(s, `\`, "/"), "-"))
	s = strings.TrimLeft(path.Base(s), ".-")
	if s == "" || s == "/" {
		return "file"
	}
	if r := []rune(s); len(r) > 100 {
		ext := path.Ext(s)
		s = string(r[:max(100-len([]rune(ext)), 1)]) + ext
	}
	return s
}
