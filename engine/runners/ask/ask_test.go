package ask

import (
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/params"
	"petrel/engine/runners"
)

func TestAsk(t *testing.T) {
	set, err := params.Compile(Runner{}.Spec().Parameters, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, given, want string
		status            engine.Status
	}{
		{"as StackStorm", `{"ttl":"30","users":["ann"]}`, `"roles":[],"users":["ann"],"route":"","ttl":30}`, engine.Pending},
		{"with more", `{"message":"Well?","approvers":{"count":2},"ttl":0.5,"remind":1}`,
			`"ttl":0.5,"message":"Well?","approvers":{"count":2},"remind":1}`, engine.Pending},
		{"schema that is none", `{"schema":{"type":"object","properties":{"a":{"type":"nothing"}}}}`, "the parameter schema cannot be used", engine.Failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runner, _, err := set.Final(t.Context(), nil, []byte(tt.given), params.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			o, err := Runner{}.Run(t.Context(), runners.Job{Runner: runner})
			if err != nil || o.Status != tt.status || !strings.Contains(string(o.Result), tt.want) {
				t.Errorf("%v %s\n%s\nwant in it %s", err, o.Status, o.Result, tt.want)
			}
			if _, err := value.ParseJSON(o.Result); err != nil {
				t.Error(err)
			}
		})
	}
}
