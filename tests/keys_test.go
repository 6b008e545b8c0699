package tests

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// request asks the HTTP API and reads the answer into out, unless it is nil.
func (p *petrel) request(method, path, body string, want int, out any) string {
	p.t.Helper()
	req, err := http.NewRequest(method, "http://"+p.addr+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != want {
		p.t.Errorf("%s %s: %s, want %d:\n%s", method, path, resp.Status, want, answer)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			p.t.Errorf("%s %s: %v:\n%s", method, path, err, answer)
		}
	}
	return string(answer)
}

// keys runs `petrel key` and wants an exit code and words.
func (p *petrel) keys(code int, want string, args ...string) {
	p.t.Helper()
	if out, got := p.run("", append([]string{"key"}, args...)...); got != code || !strings.Contains(out, want) {
		p.t.Errorf("petrel key %s: exit code %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, want, out)
	}
}

// The same commands, with and without a running server.
func TestKeyCommands(t *testing.T) {
	for _, running := range []bool{false, true} {
		name := map[bool]string{false: "alone", true: "server"}[running]
		t.Run(name, func(t *testing.T) {
			p := install(t, "")
			if running {
				p.start()
			}
			p.keys(0, "a/b is stored", "set", "a/b", "text with %2F and é")
			p.keys(0, "text with %2F and é\n", "get", "a/b")
			p.keys(0, "is stored", "set", "pw", "hunter2hunter2", "--encrypt")
			p.keys(0, "5054524C31", "get", "pw")
			p.keys(0, "hunter2hunter2\n", "get", "pw", "--decrypt")
			p.keys(0, "is stored", "set", "mine", "x", "--user", "ann", "--ttl", "60")
			p.keys(0, "********", "list")
			p.keys(0, `"expire_timestamp"`, "list", "--scope", "all", "--prefix", "m", "--json")
			p.keys(0, "hunter2hunter2", "list", "--decrypt")
			p.keys(0, "1 item encrypted with the new key", "rotate", "--forget")
			p.keys(0, "hunter2hunter2\n", "get", "pw", "-d")
			p.keys(0, "is removed", "delete", "a/b")
			p.keys(1, `The key "a/b" does not exist`, "get", "a/b")
			p.keys(1, "does not exist", "delete", "a/b")
			p.keys(2, "is system or user", "get", "x", "--scope", "moon")
			p.keys(1, "cannot be decrypted", "set", "c", "00", "--encrypted")
			p.write(`[{"name":"one","value":"1","scope":"st2kv.system"},{"name":"two","value":{"x":2},"user":"ann","scope":"st2kv.user"}]`, "items.json")
			p.keys(1, "with --convert", "load", "items.json")
			p.keys(1, "does not exist", "get", "one")
			p.keys(0, "2 items stored", "load", "items.json", "--convert")
			p.keys(0, `{"x":2}`, "get", "two", "-u", "ann")
			if out, code := p.run("from standard input\n", "key", "set", "in", "-"); code != 0 {
				t.Error(out)
			}
			p.keys(0, "from standard input\n", "get", "in")
			if keys := p.read("data", "keys.json"); strings.Count(keys, "aes256") != 1 {
				t.Errorf("keys: %d after --forget", strings.Count(keys, "aes256"))
			}
		})
	}
}

// StackStorm's export: its key file, its ciphertext.
func TestKeysOfStackStorm(t *testing.T) {
	p := install(t, "secrets: {stackstorm_key_file: st2.json}\n")
	p.write(`{"hmacKey":{"hmacKeyString":"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8","size":256},`+
		`"aesKeyString":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","mode":"CBC","size":256}`, "st2.json")
	p.write(`[{"name":"old","scope":"st2kv.system","secret":true,"encrypted":true,"value":`+
		`"3030303030A0A1A2A3A4A5A6A7A8A9AAABACADAEAF08815B20F62D72628DF6C703AE2F4AB89F8E95F1ADC3DD88396ECE6E43C4809392AEC2A6"}]`, "export.json")
	p.keys(0, "1 item stored", "load", "export.json")
	p.keys(0, "hello\n", "get", "old", "-d")
	p.keys(0, "1 item encrypted", "rotate")
	p.write("http: {listen: "+p.addr+"}\n", "petrel.yaml") // StackStorm's key is not needed any more
	p.keys(0, "hello\n", "get", "old", "-d")
}

func TestKeysOverHTTP(t *testing.T) {
	p := install(t, "")
	p.start()
	var one map[string]any
	p.request("PUT", "/keys/a", `{"name":"a","value":"b","ttl":null}`, 200, &one)
	if one["scope"] != "st2kv.system" || one["uid"] != "key_value_pair:st2kv.system:a" || one["value"] != "b" || one["encrypted"] != false {
		t.Errorf("stored: %v", one)
	}
	p.request("PUT", "/keys/a/", `{"value":"c","scope":"user","user":"ann","secret":true,"ttl":100}`, 200, &one)
	if one["scope"] != "st2kv.user" || one["user"] != "ann" || one["uid"] != "key_value_pair:st2kv.user:ann:a" || one["encrypted"] != true || one["expire_timestamp"] == "" {
		t.Errorf("stored: %v", one)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/keys/a", "", 200, `"value":"b"`},
		{"GET", "/keys/a/", "", 200, `"value":"b"`},
		{"GET", "/keys/a?user=ann&decrypt=True", "", 200, `"value":"c"`},
		{"GET", "/keys/a?scope=st2kv.user&user=ann", "", 200, `"encrypted":true`},
		{"GET", "/keys/a?scope=bogus", "", 400, "bogus"},
		{"GET", "/keys/b", "", 404, `The key \"b\" does not exist in the StackStorm datastore.`},
		{"GET", "/keys", "", 200, `"name":"a"`},
		{"GET", "/keys/?prefix=b", "", 200, "[]"},
		{"GET", "/keys?limit=x", "", 400, "limit"},
		{"PUT", "/keys/x", `{"value":5}`, 400, "no item"},
		{"PUT", "/keys/x", `{}`, 400, "value is missing"},
		{"PUT", "/keys/x", `{"value":"x","ttl":-1}`, 400, "ttl"},
		{"PUT", "/keys/x", `{"value":"x","scope":"all"}`, 400, "scope"},
		{"PUT", "/keys/x", `{"value":"x","encrypted":true}`, 400, "cannot be decrypted"},
		{"DELETE", "/keys/b", "", 404, "does not exist"},
		{"DELETE", "/keys/a", "", 204, ""},
		{"GET", "/keys/a", "", 404, "does not exist"},
		{"POST", "/keys/rotate", `{}`, 200, `"encrypted":1`},
	} {
		if got := p.request(c.method, c.path, c.body, c.status, nil); !strings.Contains(got, c.want) {
			t.Errorf("%s %s: want %q:\n%s", c.method, c.path, c.want, got)
		}
	}
}

// Items reach templates, configurations and Python, and secret values nobody else.
func TestSecretsStaySecret(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.write("name: vault\ndescription: Uses secrets.\nauthor: Petrel\nversion: 1.0.0\n", "packs", "vault", "pack.yaml")
	p.write("token: {type: string, secret: true}\nplain: {type: string}\n", "packs", "vault", "config.schema.yaml")
	p.write("token: '{{ st2kv.system.token }}'\nplain: '{{ st2kv.system.word }}'\n", "data", "configs", "vault.yaml")
	p.write("name: use\nrunner_type: python-script\nentry_point: use.py\nparameters:\n  given: {type: string, secret: true, default: ''}\n"+
		"  word: {type: string, default: '{{ st2kv.system.word }}'}\n  fail: {type: boolean, default: false}\n", "packs", "vault", "actions", "use.yaml")
	p.write(`import time

from st2common.runners.base_action import Action


class Use(Action):
    def run(self, given, word, fail):
        service = self.action_service
        token = service.get_value("token", local=False, decrypt=True)
        assert token == self.config["token"], "the configuration has another token"
        assert service.get_value("token", local=False) != token
        print("token is", token, "given is", given)
        service.set_value("count", 5)
        service.set_value("hidden", "set by the action", encrypt=True, ttl=100)
        names = [kvp.name for kvp in service.list_values()]
        assert names == ["vault.Use:count", "vault.Use:hidden"], names
        assert service.get_value("count") == "5"
        assert service.get_value("hidden", decrypt=True) == "set by the action"
        assert service.delete_value("count") and service.get_value("count") is None
        if fail:
            raise ValueError("this token is wrong: " + token)
        return {"word": word, "plain": self.config["plain"], "twice": [token, given]}
`, "packs", "vault", "actions", "use.py")
	p.write("name: use\naction_ref: vault.use\nformats:\n  - use {{ given }}\n  - fail {{ given }}\nimmutable_parameters: {fail: false}\n", "packs", "vault", "aliases", "use.yaml")
	p.write("name: fail\naction_ref: vault.use\nformats:\n  - break {{ given }}\nimmutable_parameters: {fail: true}\n", "packs", "vault", "aliases", "fail.yaml")
	p.write("name: show\naction_ref: core.echo\nformats:\n  - show the token\nimmutable_parameters: {message: 'it is {{ st2kv.system.token | decrypt_kv }}'}\n", "packs", "vault", "aliases", "show.yaml")
	const token, given = "correct-horse-battery", "my-own-password"
	p.start()
	p.keys(0, "stored", "set", "token", token, "-e")
	p.keys(0, "stored", "set", "word", "harmless")
	ann := p.sit("ann", "#general")
	for i, c := range []struct{ say, state, want string }{
		{"!use " + given, "succeeded", "token is ******** given is ********"},
		{"!use " + given, "succeeded", "harmless"},
		{"!break " + given, "failed", "this token is wrong: ********"},
		{"!show the token", "succeeded", "it is ********"},
	} {
		_, words := ann.answer(string(rune('a'+i)), c.say)
		if !strings.Contains(words, "status : "+c.state) || !strings.Contains(words, c.want) {
			t.Errorf("%s: want %s %q:\n%s", c.say, c.state, c.want, words)
		}
		for _, secret := range []string{token, given, "set by the action"} {
			if strings.Contains(words, secret) {
				t.Errorf("%s: chat shows %q:\n%s", c.say, secret, words)
			}
		}
		id := executionIn(words)
		if answer := p.request("GET", "/executions/"+id, "", 200, nil); strings.Contains(answer, token) || strings.Contains(answer, given) {
			t.Errorf("%s: the API shows a secret:\n%s", c.say, answer)
		}
	}
	if log := p.log.String(); strings.Contains(log, token) || strings.Contains(log, given) || !strings.Contains(log, "secret item decrypted") {
		t.Errorf("the log:\n%s", log)
	}
}

// executionIn finds the ID of an execution in an answer.
func executionIn(words string) string {
	_, rest, _ := strings.Cut(words, "execution: ")
	return rest[:min(24, len(rest))]
}

// Changes of items set off rules.
func TestKeyTriggers(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.write("name: watch\ndescription: Rules on items.\nauthor: Petrel\nversion: 1.0.0\n", "packs", "watch", "pack.yaml")
	for trigger, message := range map[string]string{
		"create": "made {{ trigger.object.name }}", "value_change": "{{ trigger.old_object.value }} to {{ trigger.new_object.value }}",
		"delete": "lost {{ trigger.object.name }}",
	} {
		p.write("name: "+trigger+"\nenabled: true\ntrigger: {type: core.st2.key_value_pair."+trigger+"}\naction: {ref: core.local, parameters: {cmd: 'echo "+message+" >> "+p.file("told")+"'}}\n",
			"packs", "watch", "rules", trigger+".yaml")
	}
	p.start()
	for i, c := range []struct {
		args []string
		want string
	}{
		{[]string{"set", "k", "one"}, "made k"},
		{[]string{"set", "k", "one"}, "made k"}, // no change of the value
		{[]string{"set", "k", "two"}, "one to two"},
		{[]string{"delete", "k"}, "lost k"},
	} {
		p.keys(0, "k is", c.args...)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		err := retry(ctx, func() error {
			if lines := strings.Split(strings.TrimSpace(p.readIfThere("told")), "\n"); lines[len(lines)-1] != c.want {
				return errors.New(strings.Join(lines, "; "))
			}
			return nil
		})
		cancel()
		if err != nil {
			t.Fatalf("step %d, want %q: %v", i, c.want, err)
		}
	}
	if got := strings.TrimSpace(p.readIfThere("told")); got != "made k\none to two\nlost k" {
		t.Errorf("told: %q", got)
	}
}
