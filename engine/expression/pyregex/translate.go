package pyregex

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// translator rewrites a Python pattern for regexp2. All groups become unnamed
// ones, because regexp2 would number the named ones after the others.
type translator struct {
	src   string
	pos   int
	flags Flags
	names []string // by group number minus one
	out   strings.Builder
	open  []int // positions of the groups still open
}

func (t *translator) fail(pos int, format string, args ...any) error {
	return fmt.Errorf("%s at position %d", fmt.Sprintf(format, args...), utf8.RuneCountInString(t.src[:pos]))
}

func (t *translator) rest() string { return t.src[t.pos:] }

// emit copies n bytes of the pattern.
func (t *translator) emit(n int) {
	t.out.WriteString(t.src[t.pos : t.pos+n])
	t.pos += n
}

func (t *translator) translate() (string, error) {
	if err := t.globalFlags(); err != nil {
		return "", err
	}
	total := countGroups(t.src)
	for t.pos < len(t.src) {
		var err error
		switch c := t.src[t.pos]; {
		case c == '\\':
			err = t.escape(false, total)
		case c == '[':
			err = t.class()
		case c == '(':
			err = t.group()
		case c == ')':
			if len(t.open) == 0 {
				return "", t.fail(t.pos, "unbalanced parenthesis")
			}
			t.open = t.open[:len(t.open)-1]
			t.emit(1)
		case c == '{' && openRepeat(t.rest()):
			t.out.WriteString("{0")
			t.pos++
		case c == '#' && t.flags&Verbose != 0:
			end := strings.IndexByte(t.rest(), '\n')
			if end < 0 {
				end = len(t.rest())
			}
			t.pos += end
		default:
			t.emit(1)
		}
		if err != nil {
			return "", err
		}
	}
	if len(t.open) > 0 {
		return "", t.fail(t.open[len(t.open)-1], "missing ), unterminated subpattern")
	}
	return t.out.String(), nil
}

// openRepeat tells whether s starts with {,n} or {,}, which Python reads as {0,n}.
func openRepeat(s string) bool {
	if !strings.HasPrefix(s, "{,") {
		return false
	}
	i := 2
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i < len(s) && s[i] == '}'
}

// countGroups counts the capturing groups of a Python pattern.
func countGroups(s string) int {
	n, class := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
			if strings.HasPrefix(s[i+1:], "^") {
				i++
			}
			if strings.HasPrefix(s[i+1:], "]") {
				i++
			}
		case c == '(' && (!strings.HasPrefix(s[i+1:], "?") || strings.HasPrefix(s[i+1:], "?P<")):
			n++
		}
	}
	return n
}

// globalFlags takes (?i), (?ims) ... off the start of the pattern.
func (t *translator) globalFlags() error {
	for strings.HasPrefix(t.rest(), "(?") {
		end := strings.IndexByte(t.rest(), ')')
		if end < 0 {
			return nil
		}
		letters := t.rest()[2:end]
		if letters == "" || strings.Trim(letters, "aiLmsux") != "" {
			return nil
		}
		for _, l := range letters {
			switch l {
			case 'i':
				t.flags |= IgnoreCase
			case 'm':
				t.flags |= MultiLine
			case 's':
				t.flags |= DotAll
			case 'x':
				t.flags |= Verbose
			case 'L':
				return t.fail(t.pos, "bad inline flags: cannot use 'L' flag with a str pattern")
			}
		}
		t.pos += end + 1
	}
	return nil
}

func (t *translator) group() error {
	s, at := t.rest(), t.pos
	switch {
	case !strings.HasPrefix(s, "(?"):
		t.names = append(t.names, "")
		t.open = append(t.open, at)
		t.emit(1)
		return nil
	case strings.HasPrefix(s, "(?P<"):
		name, err := t.name(at+4, '>')
		if err != nil {
			return err
		}
		t.names = append(t.names, name)
		t.open = append(t.open, at)
		t.out.WriteByte('(')
		return nil
	case strings.HasPrefix(s, "(?P="):
		name, err := t.name(at+4, ')')
		if err != nil {
			return err
		}
		n := t.number(name)
		if n == 0 {
			return t.fail(at+4, "unknown group name '%s'", name)
		}
		fmt.Fprintf(&t.out, `(?:\%d)`, n)
		return nil
	case strings.HasPrefix(s, "(?#"):
		end := strings.IndexByte(s, ')')
		if end < 0 {
			return t.fail(at, "missing ), unterminated comment")
		}
		t.pos += end + 1
		return nil
	case strings.HasPrefix(s, "(?("):
		return t.conditional()
	}
	for _, known := range []string{"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>"} {
		if strings.HasPrefix(s, known) {
			t.open = append(t.open, at)
			t.emit(len(known))
			return nil
		}
	}
	return t.scopedFlags()
}

// scopedFlags handles (?i:...) and (?-i:...); regexp2 does not know a and u, which change nothing here.
func (t *translator) scopedFlags() error {
	s, at := t.rest(), t.pos
	i := 2
	for i < len(s) && strings.IndexByte("aimsux-", s[i]) >= 0 {
		i++
	}
	switch {
	case i == len(s) || i == 2:
		ext := "?"
		if len(s) > 2 {
			_, n := utf8.DecodeRuneInString(s[2:])
			ext = s[1 : 2+n]
		}
		return t.fail(at+1, "unknown extension %s", ext)
	case s[i] == ')':
		return t.fail(at, "global flags not at the start of the expression")
	case s[i] != ':':
		return t.fail(at+i, "unknown flag")
	}
	letters := strings.NewReplacer("a", "", "u", "").Replace(s[2:i])
	t.open = append(t.open, at)
	t.out.WriteString("(?" + strings.TrimSuffix(letters, "-") + ":")
	t.pos += i + 1
	return nil
}

func (t *translator) conditional() error {
	at := t.pos
	end := strings.IndexByte(t.rest(), ')')
	if end < 0 {
		return t.fail(at, "missing ), unterminated name")
	}
	name := t.rest()[3:end]
	n, err := strconv.Atoi(name)
	if err != nil {
		n = t.number(name)
	}
	if n < 1 || n > countGroups(t.src) {
		return t.fail(at+3, "unknown group name '%s'", name)
	}
	t.open = append(t.open, at)
	fmt.Fprintf(&t.out, "(?(%d)", n)
	t.pos += end + 1
	return nil
}

// name reads a group name that starts at the byte offset and ends with the given character.
func (t *translator) name(start int, end byte) (string, error) {
	i := strings.IndexByte(t.src[start:], end)
	if i < 0 {
		return "", t.fail(start, "missing %c, unterminated name", end)
	}
	name := t.src[start : start+i]
	t.pos = start + i + 1
	if !isIdentifier(name) {
		return "", t.fail(start, "bad character in group name '%s'", name)
	}
	if end == '>' && t.number(name) != 0 {
		return "", t.fail(start, "redefinition of group name '%s'", name)
	}
	return name, nil
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !(r|0x20 >= 'a' && r|0x20 <= 'z') && r < utf8.RuneSelf && !(i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return s != ""
}

func (t *translator) number(name string) int {
	for i, n := range t.names {
		if n == name {
			return i + 1
		}
	}
	return 0
}

func (t *translator) class() error {
	at := t.pos
	t.emit(1)
	if strings.HasPrefix(t.rest(), "^") {
		t.emit(1)
	}
	for first := true; t.pos < len(t.src); first = false {
		switch c := t.src[t.pos]; {
		case c == ']' && !first:
			t.emit(1)
			return nil
		case c == ']', c == '[': // regexp2 would read [a-[b]] as a subtraction
			t.out.WriteByte('\\')
			t.emit(1)
		case c == '\\':
			if err := t.escape(true, 0); err != nil {
				return err
			}
		default:
			t.emit(1)
		}
	}
	return t.fail(at, "unterminated character set")
}

func (t *translator) escape(inClass bool, groups int) error {
	at := t.pos
	if at+1 >= len(t.src) {
		return t.fail(at, "bad escape (end of pattern)")
	}
	c := t.src[at+1]
	switch {
	case c == 'Z' && !inClass:
		t.out.WriteString(`\z`)
		t.pos += 2
	case strings.IndexByte("dDsSwW", c) >= 0, !inClass && strings.IndexByte("AbB", c) >= 0:
		t.emit(2)
	case strings.IndexByte("abfnrtv", c) >= 0:
		t.rune(map[byte]rune{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}[c], 2)
	case c == 'x' || c == 'u' || c == 'U':
		n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		if at+2+n > len(t.src) {
			return t.fail(at, "incomplete escape %s", t.src[at:])
		}
		r, err := strconv.ParseUint(t.src[at+2:at+2+n], 16, 32)
		if err != nil || r > utf8.MaxRune {
			return t.fail(at, "bad escape %s", t.src[at:at+2+n])
		}
		t.rune(rune(r), 2+n)
	case c >= '0' && c <= '9':
		return t.digits(inClass, groups)
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return t.fail(at, `bad escape \%c`, c)
	default:
		_, n := utf8.DecodeRuneInString(t.src[at+1:])
		t.emit(1 + n)
	}
	return nil
}

// rune writes one code point as a literal and skips n bytes of the pattern.
func (t *translator) rune(r rune, n int) {
	if r > 0xffff {
		t.out.WriteRune(r)
	} else {
		fmt.Fprintf(&t.out, `\u%04x`, r)
	}
	t.pos += n
}

// digits reads \0, octal escapes and back-references.
func (t *translator) digits(inClass bool, groups int) error {
	at := t.pos
	s := t.src[at+1:]
	octal := 0
	for octal < 3 && octal < len(s) && s[octal] >= '0' && s[octal] <= '7' {
		octal++
	}
	if s[0] == '0' || octal == 3 || inClass {
		if octal == 0 {
			return t.fail(at, `bad escape \%c`, s[0])
		}
		r, _ := strconv.ParseUint(s[:octal], 8, 32)
		if r > 0o377 {
			return t.fail(at, `octal escape value \%s outside of range 0-0o377`, s[:octal])
		}
		t.rune(rune(r), 1+octal)
		return nil
	}
	n := 1
	if len(s) > 1 && s[1] >= '0' && s[1] <= '9' {
		n = 2
	}
	g, _ := strconv.Atoi(s[:n])
	if g > groups {
		return t.fail(at+1, "invalid group reference %d", g)
	}
	fmt.Fprintf(&t.out, `(?:\%d)`, g)
	t.pos += 1 + n
	return nil
}

// replacementPart is literal text, or the text of a group when group >= 0.
type replacementPart struct {
	text  string
	group int
}

func (r *Regexp) parseReplacement(s string) ([]replacementPart, error) {
	var parts []replacementPart
	text := func(t string) { parts = append(parts, replacementPart{t, -1}) }
	group := func(n int) error {
		if n > r.groups {
			return fmt.Errorf("invalid group reference %d in the replacement %q", n, s)
		}
		parts = append(parts, replacementPart{group: n})
		return nil
	}
	for s := s; s != ""; {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			text(s)
			break
		}
		if text(s[:i]); i+1 == len(s) {
			return nil, fmt.Errorf("bad escape (end of replacement) in %q", s)
		}
		rest := s[i+1:]
		n, err := 1, error(nil)
		switch c := rest[0]; {
		case c == 'g':
			n, err = r.namedReference(rest, group)
		case c == '0' || octalTriple(rest):
			for n = 1; n < len(rest) && n < 3 && rest[n] >= '0' && rest[n] <= '7'; n++ {
			}
			v, _ := strconv.ParseUint(rest[:n], 8, 32)
			text(string(rune(v)))
		case c >= '1' && c <= '9':
			if len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9' {
				n = 2
			}
			g, _ := strconv.Atoi(rest[:n])
			err = group(g)
		case strings.IndexByte("abfnrtv", c) >= 0:
			text(string("\a\b\f\n\r\t\v"[strings.IndexByte("abfnrtv", c)]))
		case c == '\\':
			text(`\`)
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			err = fmt.Errorf(`bad escape \%c in the replacement %q`, c, s)
		default:
			text(s[i : i+2])
		}
		if err != nil {
			return nil, err
		}
		s = rest[n:]
	}
	return parts, nil
}

func octalTriple(s string) bool {
	return len(s) >= 3 && s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7'
}

// namedReference reads g<name> or g<number> and gives its length.
func (r *Regexp) namedReference(s string, group func(int) error) (int, error) {
	end := strings.IndexByte(s, '>')
	if !strings.HasPrefix(s, "g<") || end < 0 {
		return 0, fmt.Errorf(`missing <name> after \g in the replacement`)
	}
	name := s[2:end]
	if n, err := strconv.Atoi(name); err == nil {
		return end + 1, group(n)
	}
	for i, known := range r.names {
		if known == name && name != "" {
			return end + 1, group(i + 1)
		}
	}
	return 0, fmt.Errorf("unknown group name '%s' in the replacement", name)
}
