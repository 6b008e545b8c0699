package prompt

import "os"

type screen struct{}

func newScreen(in, out *os.File, colour bool) *screen { return nil }
func (s *screen) close()                              {}
func (s *screen) readLine() (string, error)           { return "", nil }
func (s *screen) add(b *block)                        {}
func (s *screen) change(b *block, before []row)       {}
func (s *screen) look(string)                         {}
func (s *screen) entered(string)                      {}
func (s *screen) resized() <-chan struct{}            { return nil }
func (s *screen) redraw()                             {}
