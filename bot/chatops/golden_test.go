package chatops

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/pipeline"
)

var update = flag.Bool("update", false, "rewrite testdata/messages.golden")

// TestGoldenMessages shows what is said about executions in every state, as the
// adapters get it.
func TestGoldenMessages(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := newTalk(t, everything)
	r.options.Now = func() time.Time { return start.Add(90 * time.Second) }
	r.options.Patience = time.Minute
	r.options.WebURL = "https://st2.example"
	r.restart()
	end := start.Add(3 * time.Second)
	at := place{Adapter: "fake", To: adapters.Target{Channel: "C1", Thread: "m1"}, Message: "m1", User: "U1"}
	execution := func(id string, status engine.Status, result string) *engine.Execution {
		e := &engine.Execution{
			ID: id, Action: engine.ActionRef{Ref: "p.deploy", Pack: "p", Name: "deploy", Runner: "local-shell-cmd"}, Status: status,
			Parameters: json.RawMessage(`{"app":"web"}`), Result: json.RawMessage(result), StartTimestamp: start,
			Context: engine.Context{User: "ann", CancelledBy: "bob"}, TraceID: "trace",
		}
		if status.Completed() {
			e.EndTimestamp = &end
		}
		return e
	}
	plain := &aliases.Definition{Ack: aliases.Ack{Enabled: true}, Result: aliases.Result{Enabled: true}}
	own := &aliases.Definition{
		Ref: "p.own", Ack: aliases.Ack{Enabled: true, AppendURL: true, Format: "Deploying {{ execution.parameters.app }}"},
		Result: aliases.Result{Enabled: true, Format: "Done{~}```\n{{ execution.result.stdout }}\n```", Extra: json.RawMessage(`{"color":"good","slack":{"title":"{{ execution.status }}"}}`)},
	}
	var got bytes.Buffer
	show := func(name string, m adapters.Message) {
		got.WriteString("== " + name + "\n")
		enc := json.NewEncoder(&got)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name  string
		e     *engine.Execution
		alias *aliases.Definition
	}{
		{"waiting", execution("000000000000000000000001", engine.Requested, ""), plain},
		{"running", execution("000000000000000000000002", engine.Running, ""), own},
		{"canceling", execution("000000000000000000000003", engine.Canceling, ""), plain},
		{"succeeded", execution("000000000000000000000004", engine.Succeeded, `{"stdout":"a\nb","stderr":"","return_code":0}`), plain},
		{"own words", execution("000000000000000000000005", engine.Succeeded, "{\"stdout\":\"x ``` <!channel> *y*\"}"), own},
		{"failed", execution("000000000000000000000006", engine.Failed, `{"stdout":"","stderr":"no such host","return_code":3}`), plain},
		{"abandoned", execution("000000000000000000000007", engine.Abandoned, `{"error":"the worker died"}`), plain},
		{"canceled", execution("000000000000000000000008", engine.Canceled, `{"message":"canceled"}`), plain},
	} {
		tell := telling{c: r.chat, place: at, e: tt.e, alias: tt.alias}
		card, err := tell.cardMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		show(tt.name+": card", card)
		if tt.e.Status.Completed() {
			show(tt.name+": result", r.chat.resultMessage(t.Context(), at, tt.e, tt.alias))
		}
	}
	const file = "testdata/messages.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("said:\n%s\nwant what is in %s; -update rewrites it", &got, file)
	}
}

func TestTaskLine(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	end := start.Add(2300 * time.Millisecond)
	c := &Chat{now: func() time.Time { return start.Add(41 * time.Second) }}
	for _, tt := range []struct {
		task pipeline.TaskExecution
		want string
	}{
		{pipeline.TaskExecution{TaskID: "build", Status: engine.Succeeded, EndTimestamp: &end}, "✓ `build` 2.3s"},
		{pipeline.TaskExecution{TaskID: "a`b", Status: engine.Failed, EndTimestamp: &end}, "✗ `a'b` failed after 2.3s"},
		{pipeline.TaskExecution{TaskID: "deploy", Status: engine.Running}, "… `deploy` 41s"},
		{pipeline.TaskExecution{TaskID: "hosts", Status: engine.Requested, Itemized: true, ItemsCount: 7}, "· `hosts, 7 items` requested"},
	} {
		tt.task.StartTimestamp = start
		if got := c.taskLine(&tt.task); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
