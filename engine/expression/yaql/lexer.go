package yaql

import (
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"petrel/engine/expression/diagnose"
	"petrel/engine/expression/value"
)

type tokenKind uint8

const (
	tEnd     tokenKind = iota
	tLiteral           // a number, quoted text, true, false, null: val
	tWord              // an unquoted word
	tCall              // name( with text = name
	tVar               // $name with text = name, without the dollar
	tOp                // operator or punctuation: text
)

type token struct {
	kind tokenKind
	text string
	val  any
	pos  int // byte offset
}

// maxSource bounds the length of an expression in bytes.
const maxSource = 64 << 10

// symbols, longest first.
var symbols = []string{"->", "=>", "?.", "=~", "!~", "<=", ">=", "!=", "<", ">", "=", "+", "-", "*", "/", ".", "[", "]", "{", "}", "(", ")", ","}

// lex splits an expression into tokens; the last one is tEnd.
func lex(src string) ([]token, error) {
	if len(src) > maxSource {
		return nil, &Error{Kind: Limit, Msg: "the expression is longer than 64 KiB", Source: src, Pos: -1}
	}
	if !utf8.ValidString(src) {
		return nil, &Error{Kind: Lexical, Msg: "Lexical error: the expression is not valid UTF-8", Source: src, Pos: -1}
	}
	l := lexer{src: src}
	tokens := make([]token, 0, len(src)/3+2)
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		if t.kind == tEnd {
			return tokens, nil
		}
	}
}

type lexer struct {
	src string
	pos int
}

func (l *lexer) illegal(pos int, hint string) error {
	c, _ := utf8.DecodeRuneInString(l.src[pos:])
	e := fail(Lexical, "Lexical error: illegal character '%c' at position %d", c, diagnose.Column(l.src, pos))
	e.Pos, e.Source, e.Hint = pos, l.src, hint
	return e
}

func isWordRune(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}

// wordEnd is the offset behind the word characters from pos on.
func (l *lexer) wordEnd(pos int) int {
	for pos < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[pos:])
		if !isWordRune(r) {
			break
		}
		pos += n
	}
	return pos
}

func (l *lexer) next() (token, error) {
	for l.pos < len(l.src) && strings.IndexByte(" \t\r\n", l.src[l.pos]) >= 0 {
		l.pos++
	}
	start := l.pos
	if start == len(l.src) {
		return token{kind: tEnd, pos: start}, nil
	}
	r, _ := utf8.DecodeRuneInString(l.src[start:])
	switch {
	case r == '$':
		l.pos = l.wordEnd(start + 1)
		return token{kind: tVar, text: l.src[start+1 : l.pos], pos: start}, nil
	case r >= '0' && r <= '9':
		return l.number(start)
	case isWordRune(r) && !unicode.IsNumber(r):
		return l.word(start)
	case r == '\'' || r == '"' || r == '`':
		return l.quoted(start)
	}
	for _, s := range symbols {
		if strings.HasPrefix(l.src[start:], s) {
			l.pos += len(s)
			return token{kind: tOp, text: s, pos: start}, nil
		}
	}
	return token{}, l.illegal(start, symbolHint(l.src[start:]))
}

func symbolHint(rest string) string {
	switch {
	case strings.HasPrefix(rest, "&"):
		return "write and"
	case strings.HasPrefix(rest, "|"):
		return "write or; YAQL has no filters, call functions: f(x)"
	case strings.HasPrefix(rest, "!"):
		return "write not"
	case strings.HasPrefix(rest, "%"):
		return "write mod"
	case strings.HasPrefix(rest, "?"):
		return "write switch(condition => a, true => b)"
	case strings.HasPrefix(rest, ":"):
		return "maps are written {key => value}; there are no slices, use .skip(n).take(m)"
	}
	return ""
}

// number reads digits with an optional fraction; what follows must not be a word character.
func (l *lexer) number(start int) (token, error) {
	digits := func(p int) int {
		for p < len(l.src) && l.src[p] >= '0' && l.src[p] <= '9' {
			p++
		}
		return p
	}
	end := digits(start)
	if end < len(l.src) && l.src[end] == '.' {
		if frac := digits(end + 1); frac > end+1 && l.wordEnd(frac) == frac {
			f, err := strconv.ParseFloat(l.src[start:frac], 64)
			if err != nil {
				return token{}, l.illegal(start, "the number is too large")
			}
			l.pos = frac
			return token{kind: tLiteral, val: f, text: l.src[start:frac], pos: start}, nil
		}
	}
	if l.wordEnd(end) != end {
		return token{}, l.illegal(start, "numbers are written with decimal digits only; quote text that begins with a digit")
	}
	l.pos = end
	text := l.src[start:end]
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return token{kind: tLiteral, val: n, text: text, pos: start}, nil
	}
	if len(text) > 4000 {
		return token{}, l.illegal(start, "the number is too large")
	}
	b, _ := new(big.Int).SetString(text, 10)
	return token{kind: tLiteral, val: value.NormInt(b), text: text, pos: start}, nil
}

func (l *lexer) word(start int) (token, error) {
	end := l.wordEnd(start)
	text := l.src[start:end]
	if end < len(l.src) && l.src[end] == '(' {
		l.pos = end + 1
		return token{kind: tCall, text: text, pos: start}, nil
	}
	if strings.HasPrefix(text, "__") {
		return token{}, l.illegal(start, "words that begin with two underscores must be quoted: .get('__x')")
	}
	l.pos = end
	switch text {
	case "true":
		return token{kind: tLiteral, val: true, text: text, pos: start}, nil
	case "false":
		return token{kind: tLiteral, val: false, text: text, pos: start}, nil
	case "null":
		return token{kind: tLiteral, text: text, pos: start}, nil
	case "and", "or", "not", "in", "mod":
		return token{kind: tOp, text: text, pos: start}, nil
	}
	return token{kind: tWord, text: text, pos: start}, nil
}

// quoted reads '...' and "..." with escapes and `...`, where only \` is one.
func (l *lexer) quoted(start int) (token, error) {
	quote := l.src[start]
	for p := start + 1; p < len(l.src); p++ {
		switch l.src[p] {
		case '\\':
			if p++; p < len(l.src) && l.src[p] == '\n' {
				return token{}, l.illegal(start, "a backslash at the end of a line")
			}
		case quote:
			l.pos = p + 1
			body := l.src[start+1 : p]
			if quote == '`' {
				return token{kind: tLiteral, val: strings.ReplaceAll(body, "\\`", "`"), text: body, pos: start}, nil
			}
			text, err := value.Unescape(body, false)
			if err != nil {
				return token{}, l.illegal(start, err.Error())
			}
			return token{kind: tLiteral, val: text, text: body, pos: start}, nil
		}
	}
	return token{}, l.illegal(start, "the quotation is not closed")
}
