package tests

import (
	"fmt"
	"strings"
	"testing"

	"petrel/store/redis/redistest"
	fake "petrel/tests/fakes/slack"
)

// The doctor asks every configured platform with the configured tokens, whether
// the server runs or not.
func TestDoctor(t *testing.T) {
	s := fake.Start(fake.Options{})
	t.Cleanup(s.Close)
	p := install(t, fmt.Sprintf("chat:\n  slack:\n    bot_token: %s\n    app_token: %s\n    api_url: %s\n", s.BotToken, s.AppToken, s.APIURL()))
	out, code := p.run("", "doctor")
	if code != 0 || !strings.Contains(out, "ok       slack: ") || !strings.Contains(out, "no server runs") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	p.start()
	out, code = p.run("", "doctor")
	if code != 0 || !strings.Contains(out, "which is the server") || !strings.Contains(out, "and is ready") {
		t.Errorf("with the server: exit code %d:\n%s", code, out)
	}
	p.kill()
	s.Revoke()
	out, code = p.run("", "doctor")
	if code != 1 || !strings.Contains(out, "fatal    slack: ") {
		t.Errorf("with a token that was revoked: exit code %d:\n%s", code, out)
	}
}

// Settings of Redis under which accepted work can be lost are told.
func TestDoctorOnRedis(t *testing.T) {
	server := redistest.Start(t, "--appendonly", "no")
	p := install(t, "store: "+server.URL("doctor")+"\n")
	out, code := p.run("", "doctor")
	if code != 0 || !strings.Contains(out, "ok       store: write: written within") || !strings.Contains(out, "warning  store: settings: ") || !strings.Contains(out, "appendonly") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}
