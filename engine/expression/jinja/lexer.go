package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"petrel/engine/expression/value"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokText
	tokBlockBegin
	tokBlockEnd
	tokVarBegin
	tokVarEnd
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

// token is one lexical unit; text is the operator or name, val the value of a literal.
type token struct {
	kind tokenKind
	text string
	val  any
	pos  int // byte offset in the template
}

func (t token) describe() string {
	switch t.kind {
	case tokEOF:
		return "end of template"
	case tokBlockBegin:
		return "begin of statement block"
	case tokBlockEnd:
		return "end of statement block"
	case tokVarBegin:
		return "begin of print statement"
	case tokVarEnd:
		return "end of print statement"
	case tokText:
		return "template data"
	case tokString, tokInt, tokFloat:
		return value.Repr(t.val)
	}
	return t.text
}

// lexer cuts a template into tokens with trim_blocks and lstrip_blocks on, as
// StackStorm sets Jinja up.
type lexer struct {
	src       string
	pos       int
	lineStart bool // the last token ended with a line break
	tokens    []token
}

// normalizeSource makes every line break "\n" and drops the last one.
func normalizeSource(src string) string {
	if strings.IndexByte(src, '\r') >= 0 {
		src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	}
	return strings.TrimSuffix(src, "\n")
}

func lex(src string) ([]token, error) {
	l := lexer{src: src, lineStart: true, tokens: make([]token, 0, 16)}
	for l.pos < len(src) {
		if err := l.root(); err != nil {
			return nil, err
		}
	}
	l.add(tokEOF, "", nil, len(src))
	return l.tokens, nil
}

func (l *lexer) add(kind tokenKind, text string, val any, pos int) {
	l.tokens = append(l.tokens, token{kind, text, val, pos})
}

func (l *lexer) addText(text string, pos int) {
	if text != "" {
		l.add(tokText, text, nil, pos)
	}
}

// nextTag finds the next opening delimiter at or after pos, -1 when there is none.
func (l *lexer) nextTag() int {
	for i := l.pos; i+1 < len(l.src); i++ {
		j := strings.IndexByte(l.src[i:], '{')
		if j < 0 || i+j+1 >= len(l.src) {
			return -1
		}
		i += j
		switch l.src[i+1] {
		case '{', '%', '#':
			return i
		}
	}
	return -1
}

// root takes the text up to the next tag, and the tag.
func (l *lexer) root() error {
	tag := l.nextTag()
	if tag < 0 {
		l.addText(l.src[l.pos:], l.pos)
		l.pos = len(l.src)
		return nil
	}
	kind := l.src[tag+1]
	l.addText(l.strip(l.src[l.pos:tag], tag+2, kind != '{'), l.pos)
	body := tag + 2
	if body < len(l.src) && (l.src[body] == '-' || l.src[body] == '+' && kind != '{') {
		body++
	}
	switch kind {
	case '#':
		return l.comment(tag, body)
	case '{':
		l.add(tokVarBegin, "{{", nil, tag)
		l.pos = body
		return l.code(tag, "}}")
	}
	if end, ok := l.rawBegin(body); ok {
		return l.raw(tag, end)
	}
	l.add(tokBlockBegin, "{%", nil, tag)
	l.pos = body
	return l.code(tag, "%}")
}

// strip applies the sign behind an opening delimiter, and lstrip_blocks, to the text before it.
func (l *lexer) strip(text string, sign int, block bool) string {
	c := byte(0)
	if sign < len(l.src) {
		c = l.src[sign]
	}
	switch {
	case c == '-':
		return strings.TrimRightFunc(text, value.IsSpace)
	case c == '+' || !block:
		return text
	}
	start := strings.LastIndexByte(text, '\n') + 1
	if (start > 0 || l.lineStart) && strings.TrimFunc(text[start:], value.IsSpace) == "" {
		return text[:start]
	}
	return text
}

// closeTag moves behind a closing delimiter: "-" strips what follows, and behind
// blocks and comments one line break goes (trim_blocks) unless there is a "+".
func (l *lexer) closeTag(sign byte, end int, trim bool) {
	l.pos = end
	switch {
	case sign == '-':
		rest := strings.TrimLeftFunc(l.src[end:], value.IsSpace)
		l.pos = len(l.src) - len(rest)
	case sign != '+' && trim && strings.HasPrefix(l.src[end:], "\n"):
		l.pos++
	}
	l.lineStart = l.pos > 0 && l.src[l.pos-1] == '\n'
}

func (l *lexer) comment(tag, body int) error {
	i := strings.Index(l.src[body:], "#}")
	if i < 0 {
		return syntaxError(tag, "missing end of comment tag")
	}
	end, sign := body+i, byte(0)
	if end > body {
		sign = l.src[end-1]
	}
	l.closeTag(sign, end+2, true)
	return nil
}

// rawBegin tells whether the block at body is "raw" and where it ends.
func (l *lexer) rawBegin(body int) (int, bool) {
	rest := strings.TrimLeftFunc(l.src[body:], value.IsSpace)
	if !strings.HasPrefix(rest, "raw") {
		return 0, false
	}
	rest = strings.TrimLeftFunc(rest[3:], value.IsSpace)
	switch {
	case strings.HasPrefix(rest, "-%}"):
		rest = strings.TrimLeftFunc(rest[3:], value.IsSpace)
	case strings.HasPrefix(rest, "%}"):
		rest = rest[2:]
	default:
		return 0, false
	}
	return len(l.src) - len(rest), true
}

func (l *lexer) raw(tag, start int) error {
	for i := start; ; {
		j := strings.Index(l.src[i:], "{%")
		if j < 0 {
			return syntaxError(tag, "missing end of raw directive")
		}
		i += j + 2
		rest := strings.TrimLeft(l.src[i:], "-+")
		rest = strings.TrimLeftFunc(rest, value.IsSpace)
		if !strings.HasPrefix(rest, "endraw") {
			continue
		}
		rest = strings.TrimLeftFunc(rest[6:], value.IsSpace)
		sign := byte(0)
		if rest != "" && (rest[0] == '-' || rest[0] == '+') {
			sign, rest = rest[0], rest[1:]
		}
		if !strings.HasPrefix(rest, "%}") {
			continue
		}
		l.lineStart = l.src[start-1] == '\n'
		l.addText(l.strip(l.src[start:i-2], i, true), start)
		l.closeTag(sign, len(l.src)-len(rest)+2, true)
		return nil
	}
}

// operators, longest first
var operators = [...]string{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

// code takes the tokens of one tag up to its closing delimiter; without one ("")
// it takes everything.
func (l *lexer) code(tag int, end string) error {
	var open []byte
	for {
		for l.pos < len(l.src) {
			r, n := utf8.DecodeRuneInString(l.src[l.pos:])
			if !value.IsSpace(r) {
				break
			}
			l.pos += n
		}
		if l.pos >= len(l.src) {
			l.add(tokEOF, "", nil, l.pos)
			return nil
		}
		if len(open) == 0 && end != "" && l.endTag(end) {
			return nil
		}
		c := l.src[l.pos]
		switch {
		case c >= '0' && c <= '9':
			if err := l.number(); err != nil {
				return err
			}
			continue
		case c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf:
			if err := l.name(); err != nil {
				return err
			}
			continue
		case c == '\'' || c == '"':
			if err := l.text(); err != nil {
				return err
			}
			continue
		}
		op := l.operator()
		if op == "" {
			return syntaxError(l.pos, "unexpected char %s", value.Repr(string(c)))
		}
		switch op {
		case "(", "[", "{":
			open = append(open, "([{)]}"[strings.Index("([{", op)+3])
		case ")", "]", "}":
			if len(open) == 0 {
				return syntaxError(l.pos, "unexpected '%s'", op)
			}
			if want := open[len(open)-1]; want != op[0] {
				return syntaxError(l.pos, "unexpected '%s', expected '%c'", op, want)
			}
			open = open[:len(open)-1]
		}
		l.add(tokOp, op, nil, l.pos)
		l.pos += len(op)
	}
}

func (l *lexer) endTag(end string) bool {
	sign, at := byte(0), l.pos
	if c := l.src[at]; c == '-' || c == '+' && end == "%}" {
		sign = c
		at++
	}
	if !strings.HasPrefix(l.src[at:], end) {
		return false
	}
	kind := tokVarEnd
	if end == "%}" {
		kind = tokBlockEnd
	}
	l.add(kind, end, nil, l.pos)
	l.closeTag(sign, at+2, kind == tokBlockEnd)
	return true
}

func (l *lexer) operator() string {
	for _, op := range operators {
		if strings.HasPrefix(l.src[l.pos:], op) {
			return op
		}
	}
	return ""
}

func (l *lexer) name() error {
	start := l.pos
	for l.pos < len(l.src) {
		r, n := utf8.DecodeRuneInString(l.src[l.pos:])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			if l.pos == start {
				return syntaxError(start, "unexpected char %s", value.Repr(string(r)))
			}
			break
		}
		l.pos += n
	}
	l.add(tokName, l.src[start:l.pos], nil, start)
	return nil
}

func (l *lexer) text() error {
	start, quote := l.pos, l.src[l.pos]
	for i := start + 1; i < len(l.src); i++ {
		switch l.src[i] {
		case '\\':
			i++
		case quote:
			s, err := value.Unescape(l.src[start+1:i], false)
			if err != nil {
				return syntaxError(start, "%v", err)
			}
			l.add(tokString, l.src[start:i+1], s, start)
			l.pos = i + 1
			return nil
		}
	}
	return syntaxError(start, "unexpected char %s: the text has no end", value.Repr(string(quote)))
}

// digits skips digits of the base with single underscores between them.
func (l *lexer) digits(i int, set string) int {
	for i < len(l.src) && (strings.IndexByte(set, l.src[i]|0x20) >= 0 || strings.IndexByte(set, l.src[i]) >= 0 ||
		l.src[i] == '_' && i+1 < len(l.src) && strings.IndexByte(set, l.src[i+1]|0x20) >= 0) {
		i++
	}
	return i
}

func (l *lexer) number() error {
	const decimal = "0123456789"
	start, i, isFloat := l.pos, l.pos, false
	set := map[string]string{"0x": "0123456789abcdef", "0o": "01234567", "0b": "01"}[strings.ToLower(l.src[i:min(i+2, len(l.src))])]
	if set != "" {
		i = l.digits(i+2, set)
	} else {
		i = l.digits(i, decimal)
		afterDot := start > 0 && l.src[start-1] == '.'
		if !afterDot && i+1 < len(l.src) && l.src[i] == '.' && isDigit(l.src[i+1]) {
			i, isFloat = l.digits(i+1, decimal), true
		}
		if j := i; !afterDot && j < len(l.src) && l.src[j]|0x20 == 'e' {
			j++
			if j < len(l.src) && (l.src[j] == '+' || l.src[j] == '-') {
				j++
			}
			if j < len(l.src) && isDigit(l.src[j]) {
				i, isFloat = l.digits(j, decimal), true
			}
		}
	}
	text := l.src[start:i]
	kind := tokInt
	if isFloat {
		kind = tokFloat
	}
	v, err := value.ParseNumberLiteral(text)
	if err != nil {
		return syntaxError(start, "invalid number %s", text)
	}
	l.add(kind, text, v, start)
	l.pos = i
	return nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func syntaxError(pos int, format string, args ...any) error {
	return &Error{Kind: Syntax, Message: fmt.Sprintf(format, args...), pos: pos}
}
