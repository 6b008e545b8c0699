package jinja

import (
	"context"
	"encoding/json"
	"os"
	"testing"
)

func TestZZ(t *testing.T) {
	b, err := os.ReadFile("/tmp/jd/t.json")
	if err != nil {
		t.Skip(err)
	}
	var ts []string
	json.Unmarshal(b, &ts)
	cb, _ := os.ReadFile("/tmp/jd/ctx.json")
	var out []map[string]string
	env := newEnv()
	for _, s := range ts {
		tm, err := env.Compile(s)
		var v string
		if err == nil {
			v, err = tm.Render(context.Background(), names(t, cb), false)
		}
		if err != nil {
			out = append(out, map[string]string{"e": err.Error()})
		} else {
			out = append(out, map[string]string{"v": v})
		}
	}
	o, _ := json.Marshal(out)
	os.WriteFile("/tmp/jd/go.json", o, 0o644)
}
