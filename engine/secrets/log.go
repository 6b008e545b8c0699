package secrets

import (
	"context"
	"fmt"
	"log/slog"
)

// LogHandler hides what a Masker knows in the entries of a log: in messages and
// in the values of attributes, errors included.
func LogHandler(h slog.Handler, m *Masker) slog.Handler { return logHandler{h, m} }

type logHandler struct {
	slog.Handler
	masker *Masker
}

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.masker.current() == nil {
		return h.Handler.Handle(ctx, r)
	}
	masked := slog.NewRecord(r.Time, r.Level, h.masker.Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		masked.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, masked)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	masked := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		masked[i] = h.attr(a)
	}
	return logHandler{h.Handler.WithAttrs(masked), h.masker}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name), h.masker}
}

func (h logHandler) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, h.masker.Text(v.String()))
	case slog.KindGroup:
		var group []any
		for _, member := range v.Group() {
			group = append(group, h.attr(member))
		}
		return slog.Group(a.Key, group...)
	case slog.KindAny:
		text := fmt.Sprint(v.Any())
		if masked := h.masker.Text(text); masked != text {
			return slog.String(a.Key, masked)
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}
