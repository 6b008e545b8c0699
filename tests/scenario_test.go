package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
)

// A scenario is a short script in tests/scenarios: who says what in which
// channel, and what is seen. Every one is played on every platform. Texts stand
// in double quotes, with Go's escapes; what is seen must contain them, or match
// them when they are written /like this/.
//
//	needs forms, fault half-open            leave it out where the platform lacks one of these
//	ann joins #ops
//	ann says in #ops: "!mark one"
//	ann says in #ops under it: "!mark two"  in the thread of what was said last
//	ann says to the bot: "mark three"       in the direct conversation
//	ann mentions the bot in #ops: "mark"
//	ann calls in #ops: /petrel mark four    the platform's slash command
//	ann presses "Cancel" on "Working"       on the newest message that she sees with this text and button
//	ann chooses "QA" of "Environment" on "where"
//	ann fills in: version="1.3" env="qa"    the form that is open before her
//	ann sees in #ops: "text"                and any of: in the thread, privately, once, with a button "X", without buttons, calling ann
//	ann sees with the bot: "text"
//	ann sees a file in #ops: "content"
//	bob does not see in #ops: "text"        after everything said so far was answered
//	ann is told: "text"                     by the platform or in private, at once
//	done has 2 lines                        of side effects
//	the operator answers "Question?": {...} at the command line
//	fault duplicate 3                       drop, half-open, duplicate N, reorder N, rate-limit N 1s, lose-replies N, slow 200ms, refuse-forms
//	the program dies                        kill -9 and start again
type scenario struct {
	name  string
	steps []line
}

type line struct {
	number int
	text   string
}

// patience is how long a scenario waits for anything to be seen.
const patience = 2 * time.Minute

func readScenarios(t *testing.T) []scenario {
	t.Helper()
	files, err := filepath.Glob("scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	var all []scenario
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		s := scenario{name: strings.TrimSuffix(filepath.Base(file), ".txt")}
		for n, lines := 1, bufio.NewScanner(f); lines.Scan(); n++ {
			if text := strings.TrimSpace(lines.Text()); text != "" && text[0] != '#' {
				s.steps = append(s.steps, line{n, text})
			}
		}
		f.Close()
		all = append(all, s)
	}
	return all
}

// stage is a platform with people on it, and the program connected to it.
type stage struct {
	adaptertest.Harness
	program *petrel
	able    adapters.Capabilities
	faults  any // what can go wrong: has methods Drop, HalfOpen, Duplicate ...
}

// The faults that a platform can be made to have; each fake has what its
// platform really does.
type (
	dropper     interface{ Drop() }
	halfOpener  interface{ HalfOpen(on bool) }
	duplicator  interface{ Duplicate(events int) }
	reorderer   interface{ Reorder(events int) }
	rateLimiter interface {
		RateLimit(calls int, after time.Duration)
	}
	replyLoser  interface{ LoseReplies(posts int) }
	slower      interface{ Slow(d time.Duration) }
	formRefuser interface{ RefuseForms(on bool) }
)

// play is one scenario under way.
type play struct {
	*testing.T
	stage *stage
	at    string // file:line
	it    string // ID of what was said last
	where string // and its channel
}

// playAll plays every scenario on a platform, each on a stage of its own.
func playAll(t *testing.T, set func(t *testing.T) *stage) {
	for _, s := range readScenarios(t) {
		t.Run(s.name, func(t *testing.T) {
			p := &play{T: t, stage: set(t)}
			defer p.stage.Close()
			for _, l := range s.steps {
				p.at = fmt.Sprintf("scenarios/%s.txt:%d", s.name, l.number)
				if missing, ok := strings.CutPrefix(l.text, "needs "); ok {
					if lacks := p.lacks(missing); lacks != "" {
						t.Skipf("%s: the platform has no %s", p.at, lacks)
					}
					continue
				}
				p.step(l.text)
			}
		})
	}
}

// lacks returns the first of a list of needs that the platform does not fulfil.
func (p *play) lacks(needs string) string {
	c, f := p.stage.able, p.stage.faults
	has := map[string]bool{
		"threads": c.Threads, "edits": c.Edit, "buttons": c.Buttons, "selects": c.Selects, "forms": c.Forms,
		"private messages": c.Ephemeral, "files": c.Files, "commands": c.Commands,
		"fault drop": is[dropper](f), "fault half-open": is[halfOpener](f), "fault duplicate": is[duplicator](f),
		"fault reorder": is[reorderer](f), "fault rate-limit": is[rateLimiter](f), "fault lose-replies": is[replyLoser](f),
		"fault slow": is[slower](f), "fault refuse-forms": is[formRefuser](f),
	}
	for _, need := range strings.Split(needs, ",") {
		need = strings.TrimSpace(need)
		able, known := has[need]
		if !known {
			p.Fatalf("%s: there is no need called %q", p.at, need)
		}
		if !able {
			return need
		}
	}
	return ""
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

// The forms of a step. "text" stands for a Go string or a /pattern/.
var (
	text      = `("(?:[^"\\]|\\.)*"|/.*?/)`
	place     = `(?:in (#\S+?)|with the (bot)|to the (bot))`
	joins     = regexp.MustCompile(`^(\w+) joins (#\S+)$`)
	says      = regexp.MustCompile(`^(\w+) says ` + place + `( under it)?: ` + text + `$`)
	mentions  = regexp.MustCompile(`^(\w+) mentions the bot in (#\S+?)( under it)?: ` + text + `$`)
	calls     = regexp.MustCompile(`^(\w+) calls ` + place + `: /(\S+) ?(.*)$`)
	presses   = regexp.MustCompile(`^(\w+) presses ` + text + ` on ` + text + `(?: ` + place + `)?$`)
	chooses   = regexp.MustCompile(`^(\w+) chooses ` + text + ` of ` + text + ` on ` + text + `(?: ` + place + `)?$`)
	fills     = regexp.MustCompile(`^(\w+) fills in:(.*)$`)
	sees      = regexp.MustCompile(`^(\w+) sees (a file )?` + place + `: ` + text + `(.*)$`)
	seesNot   = regexp.MustCompile(`^(\w+) does not see ` + place + `: ` + text + `$`)
	isTold    = regexp.MustCompile(`^(\w+) is told: ` + text + `$`)
	doneHas   = regexp.MustCompile(`^done has (\d+) lines?$`)
	operator  = regexp.MustCompile(`^the operator answers ("(?:[^"\\]|\\.)*"): (.*)$`)
	faultWith = regexp.MustCompile(`^fault (\S+)(?: (\S+))?(?: (\S+))?$`)
)

// step plays one line.
func (p *play) step(l string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch {
	case joins.MatchString(l):
		m := joins.FindStringSubmatch(l)
		p.must(p.stage.Join(ctx, m[1], m[2]))
	case says.MatchString(l):
		m := says.FindStringSubmatch(l)
		p.say(ctx, m[1], pick(m[2:5]), m[5] != "", p.quoted(m[6]))
	case mentions.MatchString(l):
		m := mentions.FindStringSubmatch(l)
		p.say(ctx, m[1], m[2], m[3] != "", p.stage.Mention()+" "+p.quoted(m[4]))
	case calls.MatchString(l):
		m := calls.FindStringSubmatch(l)
		p.where, p.it = pick(m[2:5]), ""
		p.must(p.controls().Call(ctx, m[1], p.where, m[5], m[6]))
	case presses.MatchString(l):
		m := presses.FindStringSubmatch(l)
		label := p.quoted(m[2])
		s := p.await(ctx, m[1], p.there(m[4:7]), m[3], func(s adaptertest.Seen) bool { return slices.Contains(s.Buttons, label) })
		p.must(p.stage.Press(ctx, m[1], s.Message, label))
	case chooses.MatchString(l):
		m := chooses.FindStringSubmatch(l)
		s := p.await(ctx, m[1], p.there(m[5:8]), m[4], nil)
		p.must(p.controls().Choose(ctx, m[1], s.Message, p.quoted(m[3]), p.quoted(m[2])))
	case fills.MatchString(l):
		m := fills.FindStringSubmatch(l)
		if _, err := p.controls().Form(ctx, m[1]); err != nil {
			p.Fatalf("%s: no form is open before %s: %v", p.at, m[1], err)
		}
		p.must(p.controls().Submit(ctx, m[1], p.pairs(m[2])))
	case seesNot.MatchString(l):
		m := seesNot.FindStringSubmatch(l)
		p.absent(ctx, m[1], pick(m[2:5]), m[5])
	case sees.MatchString(l):
		p.sees(ctx, sees.FindStringSubmatch(l))
	case isTold.MatchString(l):
		m := isTold.FindStringSubmatch(l)
		words, err := p.stage.Told(ctx, m[1])
		if err != nil || !p.fits(m[2], words) {
			p.Fatalf("%s: %s was told %q, %v", p.at, m[1], words, err)
		}
	case doneHas.MatchString(l):
		want, _ := strconv.Atoi(doneHas.FindStringSubmatch(l)[1])
		p.done(ctx, want)
	case operator.MatchString(l):
		m := operator.FindStringSubmatch(l)
		p.answer(ctx, p.quoted(m[1]), m[2])
	case l == "the program dies":
		p.stage.program.kill()
		p.stage.program.start()
	case faultWith.MatchString(l):
		p.fault(faultWith.FindStringSubmatch(l))
	default:
		p.Fatalf("%s: nobody understands %q", p.at, l)
	}
}

func (p *play) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatalf("%s: %v", p.at, err)
	}
}

func (p *play) controls() adaptertest.Controls {
	c, ok := p.stage.Harness.(adaptertest.Controls)
	if !ok {
		p.Fatalf("%s: people on this platform have no such controls", p.at)
	}
	return c
}

// pick returns the channel that a place names: the direct one is "@".
func pick(m []string) string {
	if m[0] != "" {
		return m[0]
	}
	return "@"
}

// there is the channel of a press: the one named, else that of the last line.
func (p *play) there(m []string) string {
	if m[0]+m[1]+m[2] == "" {
		return p.where
	}
	return pick(m)
}

func (p *play) quoted(s string) string {
	text, err := strconv.Unquote(s)
	if err != nil {
		p.Fatalf("%s: %s is no text: %v", p.at, s, err)
	}
	return text
}

// fits reports whether what is seen is what was written, a text or a pattern.
func (p *play) fits(want, got string) bool {
	if strings.HasPrefix(want, "/") {
		return regexp.MustCompile("(?s)" + want[1:len(want)-1]).MatchString(got)
	}
	return strings.Contains(got, p.quoted(want))
}

func (p *play) pairs(s string) map[string]string {
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*")`).FindAllStringSubmatch(s, -1) {
		values[m[1]] = p.quoted(m[2])
	}
	return values
}

func (p *play) say(ctx context.Context, person, channel string, under bool, words string) {
	p.Helper()
	l := adaptertest.Line{Person: person, Channel: channel, Text: words}
	if under {
		l.Thread = p.it
	}
	p.must(p.stage.Join(ctx, person, channel))
	id, err := p.stage.Say(ctx, l)
	p.must(err)
	p.where = channel
	if !under {
		p.it = id
	}
}

// sees waits for a message and holds it to what the line says of it.
func (p *play) sees(ctx context.Context, m []string) {
	p.Helper()
	person, file, channel, want, rest := m[1], m[2] != "", pick(m[3:6]), m[6], m[7]
	for _, mark := range []string{", ", " and "} {
		rest = strings.ReplaceAll(rest, mark, ";")
	}
	once := false
	var wishes []func(adaptertest.Seen) bool
	for _, wish := range strings.Split(rest, ";") {
		wish = strings.TrimSpace(wish)
		button, withButton := strings.CutPrefix(wish, "with a button ")
		whom, calling := strings.CutPrefix(wish, "calling ")
		switch {
		case wish == "":
		case wish == "once":
			once = true
		case wish == "privately":
			wishes = append(wishes, func(s adaptertest.Seen) bool { return s.Private })
		case wish == "without buttons":
			wishes = append(wishes, func(s adaptertest.Seen) bool { return len(s.Buttons) == 0 })
		case wish == "in the thread":
			if p.stage.able.Threads && p.it != "" {
				wishes = append(wishes, func(s adaptertest.Seen) bool { return s.Thread == p.it })
			}
		case withButton:
			label := p.quoted(button)
			wishes = append(wishes, func(s adaptertest.Seen) bool { return slices.Contains(s.Buttons, label) })
		case calling:
			wishes = append(wishes, func(s adaptertest.Seen) bool { return slices.Contains(s.Pings, whom) })
		default:
			p.Fatalf("%s: nobody understands %q", p.at, wish)
		}
	}
	if file {
		p.await(ctx, person, channel, `""`, func(s adaptertest.Seen) bool {
			for _, content := range s.Files {
				if p.fits(want, content) {
					return true
				}
			}
			return false
		})
		return
	}
	p.await(ctx, person, channel, want, func(s adaptertest.Seen) bool {
		return !slices.ContainsFunc(wishes, func(ok func(adaptertest.Seen) bool) bool { return !ok(s) })
	})
	if once {
		p.settle(ctx, person, channel)
		if n := p.count(ctx, person, channel, want); n != 1 {
			p.Fatalf("%s: %s sees it %d times", p.at, person, n)
		}
	}
}

// await waits for a message of the program and returns the newest that fits.
func (p *play) await(ctx context.Context, person, channel, want string, ok func(adaptertest.Seen) bool) adaptertest.Seen {
	p.Helper()
	var found adaptertest.Seen
	all, err := p.stage.See(ctx, person, channel, func(all []adaptertest.Seen) bool {
		for _, s := range slices.Backward(all) {
			if s.From != person && p.fits(want, s.Text) && (ok == nil || ok(s)) {
				found = s
				return true
			}
		}
		return false
	})
	if err != nil {
		p.Fatalf("%s: %s never sees it in %s; she sees:%s", p.at, person, channel, listSeen(all))
	}
	return found
}

func (p *play) count(ctx context.Context, person, channel, want string) (n int) {
	all, err := p.stage.See(ctx, person, channel, func([]adaptertest.Seen) bool { return true })
	p.must(err)
	for _, s := range all {
		if s.From != person && p.fits(want, s.Text) {
			n++
		}
	}
	return n
}

// settle makes sure that what was said before has been dealt with: it says a
// command in the same channel and waits for its answer.
func (p *play) settle(ctx context.Context, person, channel string) {
	p.Helper()
	words := fmt.Sprintf("settle-%d", time.Now().UnixNano())
	command := "!echo " + words
	if channel == "@" {
		command = "echo " + words
	}
	_, err := p.stage.Say(ctx, adaptertest.Line{Person: person, Channel: channel, Text: command})
	p.must(err)
	p.await(ctx, person, channel, strconv.Quote(words), nil)
}

func (p *play) absent(ctx context.Context, person, channel, want string) {
	p.Helper()
	p.must(p.stage.Join(ctx, person, channel))
	p.settle(ctx, person, channel)
	if n := p.count(ctx, person, channel, want); n > 0 {
		p.Fatalf("%s: %s sees it %d times", p.at, person, n)
	}
}

// done waits until the side effects are as many as they should be, and makes
// sure that they are no more.
func (p *play) done(ctx context.Context, want int) {
	p.Helper()
	var lines []string
	err := retry(ctx, func() error {
		body, err := os.ReadFile(p.stage.program.file("done"))
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		if lines = strings.Fields(string(body)); len(lines) < want {
			return fmt.Errorf("%d lines", len(lines))
		}
		return nil
	})
	if err != nil || len(lines) > want {
		p.Fatalf("%s: there are %d lines: %q", p.at, len(lines), lines)
	}
}

// answer answers an inquiry at the command line.
func (p *play) answer(ctx context.Context, question, response string) {
	p.Helper()
	p.must(retry(ctx, func() error {
		out, code := p.stage.program.run("", "inquiry", "list", "-j")
		var list []struct{ ID, Message string }
		if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
			return fmt.Errorf("inquiry list: exit code %d, %v: %s", code, err, out)
		}
		for _, q := range list {
			if q.Message == question {
				if out, code := p.stage.program.run("", "inquiry", "respond", q.ID, "-r", response); code != 0 {
					return fmt.Errorf("inquiry respond: %s", out)
				}
				return nil
			}
		}
		return fmt.Errorf("nobody asks %q: %s", question, out)
	}))
}

func (p *play) fault(m []string) {
	p.Helper()
	number := func(i int) int {
		n, err := strconv.Atoi(m[i])
		p.must(err)
		return n
	}
	span := func(i int) time.Duration {
		d, err := time.ParseDuration(m[i])
		p.must(err)
		return d
	}
	switch f := p.stage.faults; m[1] {
	case "drop":
		f.(dropper).Drop()
	case "half-open":
		f.(halfOpener).HalfOpen(true)
	case "duplicate":
		f.(duplicator).Duplicate(number(2))
	case "reorder":
		f.(reorderer).Reorder(number(2))
	case "rate-limit":
		f.(rateLimiter).RateLimit(number(2), span(3))
	case "lose-replies":
		f.(replyLoser).LoseReplies(number(2))
	case "slow":
		f.(slower).Slow(span(2))
	case "refuse-forms":
		f.(formRefuser).RefuseForms(true)
	default:
		p.Fatalf("%s: there is no fault %q", p.at, m[1])
	}
}

func listSeen(all []adaptertest.Seen) string {
	var out strings.Builder
	for _, s := range all {
		private := ""
		if s.Private {
			private = " (privately)"
		}
		fmt.Fprintf(&out, "\n  %s under %s, %s%s: %.400q buttons %q pings %q files %d", s.Message, s.Thread, s.From, private, s.Text, s.Buttons, s.Pings, len(s.Files))
	}
	return out.String()
}
