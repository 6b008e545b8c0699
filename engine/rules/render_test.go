package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"petrel/engine/expression/value"
)

// nameRenderer renders a pattern that is one dotted name, which is all that most tests need.
type nameRenderer struct{}

var errMoreThanAName = errors.New("this renderer knows dotted names only")

var oneName = regexp.MustCompile(`^\{\{\s*([\w.]+)\s*\}\}$`)

func (nameRenderer) Typed(_ context.Context, pattern string, names map[string]any) (any, error) {
	m := oneName.FindStringSubmatch(pattern)
	if m == nil {
		return nil, errMoreThanAName
	}
	steps := strings.Split(m[1], ".")
	v, ok := names[steps[0]]
	for _, step := range steps[1:] {
		d, isDict := v.(*value.Dict)
		if !isDict {
			return nil, fmt.Errorf("%s is undefined", m[1])
		}
		v, ok = d.GetString(step)
	}
	switch {
	case ok:
		return v, nil
	case strings.HasPrefix(m[1], "st2kv.system."):
		return "", nil // the datastore gives an empty text for what it does not hold
	}
	return nil, fmt.Errorf("%s is undefined", m[1])
}

func testRenderer(testing.TB) Renderer { return nameRenderer{} }

// datastore makes the names that stand for the datastore.
func datastore(t testing.TB, system json.RawMessage) map[string]any {
	t.Helper()
	items := parse(t, system)
	if items == nil {
		return nil
	}
	return map[string]any{"system": items, "st2kv": value.DictOf("system", items)}
}
