package aliases

import (
	"fmt"
	"strings"
	"testing"
)

func TestIncomplete(t *testing.T) {
	table := mustTable(t,
		alias("deploy", "deploy {{ app }} to {{ env }}", "deploy {{ app }}"),
		alias("scale", "scale {{ app }} {{ n = 2 }} in {{ zone }}"),
		alias("ticket", `ticket (?P<key>[A-Z]+-\d+)`),
		alias("page", "page (?P<who>[a-z]+)( about (?P<why>.+))?"),
		alias("status", "status"),
		alias("anything", "{{ words }} please"),
		alias("echo_a", "echo {{ text }}"),
		alias("echo_b", "echo {{ words }}"),
	)
	for _, tt := range []struct{ message, want string }{
		{"deploy", "deploy:app map[]"},
		{"Deploy", "deploy:app map[]"},
		{"deploy web to", "deploy:env map[app:web]"},
		{"deploy to prod", "deploy:app map[env:prod]"},
		{"deploy app=web", "deploy: map[app:web]"},
		{"deploy env=prod", "deploy:app map[env:prod]"},
		{"scale shop in", "scale:zone map[app:shop n:2]"},
		{"ticket", ""}, // a number cannot be left out for a while
		{"page", "page:who map[why:<null>]"},
		{"status of", ""},
		{"please", ""},
		{"depoly", ""},
		{"", ""},
		{"echo", "echo_a:text map[] echo_b:words map[]"},
	} {
		var got []string
		for _, in := range table.Incomplete(tt.message) {
			values := map[string]string{}
			for name, v := range in.Params {
				values[name] = "<null>"
				if v != nil {
					values[name] = *v
				}
			}
			got = append(got, fmt.Sprintf("%s:%s %v", in.Alias.Name, strings.Join(in.Missing, ","), values))
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%q: %s, want %s", tt.message, s, tt.want)
		}
	}
}
