package aliases

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseDefinition(t *testing.T) {
	d, err := ParseDefinition([]byte(`{"name": "deploy", "pack": "web", "action_ref": "web.deploy", "description": "Deploy",
		"formats": ["deploy {{app}}", {"display": "release APP", "representation": ["release {{app}}", "ship {{app}}"]},
			{"display": "fixes KEY", "representation": "fixes (?P<k>\\w+)", "match_multiple": true}],
		"ack": {"format": "on it", "append_url": false}, "result": {"extra": {"slack": {"color": "x"}}},
		"immutable_parameters": {"who": "{{ api_user }}"}, "id": "1", "uid": "action_alias:web:deploy", "metadata_file": "aliases/x.yaml"}`))
	if err != nil {
		t.Fatal(err)
	}
	if d.Ref != "web.deploy" || !d.Enabled || !d.Ack.Enabled || d.Ack.AppendURL || !d.Result.Enabled || d.Ack.Format != "on it" {
		t.Errorf("got %+v", d)
	}
	if len(d.Formats) != 3 || len(d.Formats[1].Representation) != 2 || d.Formats[2].Representation[0] != `fixes (?P<k>\w+)` || !d.Formats[2].MatchMultiple {
		t.Errorf("formats %+v", d.Formats)
	}
	text, err := json.Marshal(d.Formats)
	if err != nil {
		t.Fatal(err)
	}
	want := `["deploy {{app}}",{"display":"release APP","representation":["release {{app}}","ship {{app}}"]},` +
		`{"display":"fixes KEY","match_multiple":true,"representation":["fixes (?P\u003ck\u003e\\w+)"]}]`
	if string(text) != want {
		t.Errorf("written as %s, want %s", text, want)
	}
}

func TestParseDefinitionErrors(t *testing.T) {
	tests := []struct{ data, hint string }{
		{`{"pack": "p", "action_ref": "a.b", "formats": ["x"]}`, "name is missing"},
		{`{"name": "n", "formats": ["x"]}`, "action_ref is missing"},
		{`{"name": "n", "action_ref": "a.b"}`, "formats is missing"},
		{`{"name": "n", "action_ref": "a.b", "formats": ["x"], "colour": 1}`, `"colour"`},
		{`{"name": "n", "action_ref": "a.b", "formats": [{"display": "x", "representations": []}]}`, `"representations"`},
		{`{"name": "n", "action_ref": "a.b", "formats": [7]}`, "a format is a text or an object"},
		{`{"name": "n", "action_ref": "a.b", "formats": [{"representation": [7]}]}`, "list of texts"},
		{`{"name": "n", "action_ref": "a.b", "formats": ["x"], "extra": []}`, "extra must be an object"},
		{`{"name": "n", "action_ref": "a.b", "formats": ["x"], "ack": {"enabled": "yes"}}`, "enabled"},
		{`{"name": "n", "action_ref": "a.b", "formats": ["x"], "visibility": "secret"}`, "it is public, thread, ephemeral or direct"},
		{`[]`, "read alias"},
	}
	for _, tt := range tests {
		if _, err := ParseDefinition([]byte(tt.data)); err == nil || !strings.Contains(err.Error(), tt.hint) {
			t.Errorf("ParseDefinition(%s) = %v, want an error with %q", tt.data, err, tt.hint)
		}
	}
}
