package jinja

import (
	"context"
	"testing"
)

const benchContext = `{"trigger": {"body": {"alerts": [{"labels": {"name": "HighLoad", "host": "web-1"}}], "status": "firing"}}, "servers": [
	{"name": "a", "cpu": 4, "up": true}, {"name": "b", "cpu": 2, "up": false}, {"name": "c", "cpu": 8, "up": true}]}`

var benchTemplates = []struct{ name, src string }{
	{"path", "{{ trigger.body.alerts[0].labels.name }}"},
	{"filters", "{{ servers | selectattr('up') | map(attribute='name') | join(', ') | upper }}"},
	{"loop", "{% for s in servers %}{{ loop.index }}: {{ s.name }} {{ '%5.1f' % s.cpu }}{% if not loop.last %}, {% endif %}{% endfor %}"},
}

func BenchmarkEvaluate(b *testing.B) {
	ctx := names(b, []byte(benchContext))
	for _, c := range benchTemplates {
		b.Run(c.name, func(b *testing.B) {
			tmpl, err := newEnv().Compile(c.src)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tmpl.Render(context.Background(), ctx, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	env := newEnv()
	for _, c := range benchTemplates {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := env.Compile(c.src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
