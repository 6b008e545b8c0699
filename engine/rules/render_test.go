package rules

import (
	"context"
	"encoding/json"
	"testing"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

// patternRenderer is the template engine behind the interface of this package.
type patternRenderer struct{ *expression.Renderer }

func (r patternRenderer) Typed(ctx context.Context, pattern string, names map[string]any) (any, error) {
	return r.Renderer.Typed(ctx, pattern, names)
}

func testRenderer(system json.RawMessage) patternRenderer {
	return patternRenderer{expression.New(expression.Options{Datastore: systemItems(system)})}
}

// systemItems is a datastore that holds a JSON object of texts, for the system only.
type systemItems json.RawMessage

func (items systemItems) Lookup(_ context.Context, scope, _, key string) (string, bool, error) {
	if scope != "system" || len(items) == 0 {
		return "", false, nil
	}
	var texts map[string]string
	if err := json.Unmarshal(items, &texts); err != nil {
		return "", false, err
	}
	text, ok := texts[key]
	return text, ok, nil
}

func (items systemItems) Decrypt(_ context.Context, text string) (string, error) { return text, nil }

// datastoreEvent makes an event whose patterns and keys see the items of the datastore, those of the system only.
func datastoreEvent(t testing.TB, payload, system json.RawMessage) Event {
	t.Helper()
	stored := testRenderer(system).Stored(context.Background(), "system")
	return Event{
		Payload: parse(t, payload),
		Names:   map[string]any{"system": stored, "st2kv": value.DictOf("system", stored)},
		System: func(ctx context.Context, item string) (string, bool, error) {
			return systemItems(system).Lookup(ctx, "system", "", item)
		},
	}
}
