package jinja

import (
	"strings"

	"petrel/engine/expression/value"
)

// Markup is text that counts as escaped already: what "safe", "escape" and "tojson" give.
type Markup string

func (m Markup) TypeName() string { return "Markup" }

// Str is the text itself.
func (m Markup) Str() string { return string(m) }

// Repr spells it as Python's markupsafe does.
func (m Markup) Repr() string { return "Markup(" + value.Repr(string(m)) + ")" }

// Truth is false for empty text.
func (m Markup) Truth() bool { return m != "" }

// EqualTo compares it as text.
func (m Markup) EqualTo(other any) bool {
	switch x := other.(type) {
	case string:
		return string(m) == x
	case Markup:
		return m == x
	}
	return false
}

// HashKey is that of the text.
func (m Markup) HashKey() (any, bool) { return string(m), true }

// Plain is the text.
func (m Markup) Plain() (any, error) { return string(m), nil }

var htmlEscaper = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

func escape(s string) Markup { return Markup(htmlEscaper.Replace(s)) }
