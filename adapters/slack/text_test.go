package slack

import (
	"context"
	"testing"
)

type names map[string]string

func (n names) personName(_ context.Context, id string) string  { return n[id] }
func (n names) channelName(_ context.Context, id string) string { return n[id] }

func TestPlain(t *testing.T) {
	known := names{"U2": "bob", "C1": "#ops"}
	for _, tt := range []struct {
		raw, want string
		mentioned bool
	}{
		{"!run date", "!run date", false},
		{"<@UBOT> run date", "run date", true},
		{"please <@UBOT>  run date", "please   run date", true},
		{"<@UBOT|petrel> run", "run", true},
		{"<@UBOT>", "", true},
		{"ask <@U2> in <#C1> or <#C9|dev>", "ask @bob in #ops or #dev", false},
		{"ask <@U2|bob.b>", "ask @bob.b", false},
		{"curl <https://example.com/a?b=c&amp;d=e>", "curl https://example.com/a?b=c&d=e", false},
		{"ping <http://example.com|example.com> now", "ping example.com now", false},
		{"see <https://example.com/x|the page>", "see https://example.com/x", false},
		{"to <mailto:ann@example.com|ann@example.com>", "to ann@example.com", false},
		{"call <tel:+123|+1 23>", "call +1 23", false},
		{"<!here> <!channel> <!subteam^S1|@oncall> <!subteam^S1> <!date^1^{date}|today>", "@here @channel @oncall @subteam today", false},
		{"a &lt;b&gt; &amp;amp; c", "a <b> &amp; c", false},
		{"say “hello” ‘you’ „low”", `say "hello" 'you' "low"`, false},
		{"a\u00a0b", "a b", false},
		{"1 <2> 3 <x y>", "1 <2> 3 <x y>", false},
		{"<", "<", false},
	} {
		got, mentioned := plain(t.Context(), tt.raw, "UBOT", known)
		if got != tt.want || mentioned != tt.mentioned {
			t.Errorf("%q became %q, mentioned: %v; want %q, %v", tt.raw, got, mentioned, tt.want, tt.mentioned)
		}
	}
}

func TestStamp(t *testing.T) {
	for ts, want := range map[string]int64{"1700000000.000100": 1700000000000100, "1700000000.5": 1700000000500000, "1700000000": 1700000000000000} {
		if got := stamp(ts).UnixMicro(); got != want {
			t.Errorf("%s is %d, want %d", ts, got, want)
		}
	}
}

func TestChannelName(t *testing.T) {
	for name, want := range map[string]string{"#Incident 42: Web/DB!": "incident-42-web-db", "ops": "ops", "#Störung": "störung", "!!": ""} {
		if got := channelName(name); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("<@U1> <#C1|x> <http://x|y> &amp;")
	f.Fuzz(func(t *testing.T, raw string) {
		plain(t.Context(), raw, "U1", names{})
	})
}
