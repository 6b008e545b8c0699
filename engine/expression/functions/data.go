package functions

import (
	"fmt"
	"strings"

	"petrel/engine/expression/jsonpath"
	"petrel/engine/expression/value"
)

// NoneMarker stands for null in rendered action parameters; casting turns it back.
const NoneMarker = "%*****__%NONE%__*****%"

func dataFuncs() []*Func {
	fromJSON := func(_ *Call, a []any) (any, error) { return FromJSON(text(a[0])) }
	fromYAML := func(_ *Call, a []any) (any, error) { return value.ParseYAML([]byte(text(a[0]))) }
	jsonParams := []Param{need("value"), opt("indent", nil), opt("sort_keys", false), opt("separators", nil)}
	yamlParams := []Param{need("value"), opt("indent", nil), opt("allow_unicode", true)}
	return []*Func{
		{Name: "from_json_string", Params: []Param{need("value")}, Dialect: Everywhere, Run: fromJSON},
		{Name: "json_parse", Params: []Param{need("value")}, Dialect: Orquesta, Run: fromJSON},
		{Name: "from_yaml_string", Params: []Param{need("value")}, Dialect: Everywhere, Run: fromYAML},
		{Name: "yaml_parse", Params: []Param{need("value")}, Dialect: Orquesta, Run: fromYAML},
		{Name: "to_json_string", Params: jsonParams, Dialect: Everywhere, Run: toJSON},
		{Name: "json_dump", Params: jsonParams, Dialect: Orquesta, Run: toJSON},
		{Name: "to_yaml_string", Params: yamlParams, Dialect: Everywhere, Run: toYAML},
		{Name: "yaml_dump", Params: yamlParams, Dialect: Orquesta, Run: toYAML},
		{Name: "json_escape", Params: []Param{need("value")}, Dialect: Everywhere, Run: jsonEscape},
		{Name: "to_complex", Params: []Param{need("value")}, Dialect: StackStorm, Run: toComplex},
		{Name: "use_none", Params: []Param{need("value")}, Dialect: Everywhere, Run: useNone},
		{Name: "jsonpath_query", Params: []Param{need("value"), need("query")}, Dialect: Everywhere, Run: jsonpathQuery},
	}
}

// FromJSON parses a JSON text; the error says that it is the JSON that is wrong.
func FromJSON(s string) (any, error) {
	v, err := value.ParseJSON([]byte(s))
	if err != nil {
		return nil, fmt.Errorf("not valid JSON: %w", err)
	}
	return v, nil
}

func toJSON(_ *Call, a []any) (any, error) {
	o := value.JSONOptions{ItemSeparator: ",", KeySeparator: ": ", ASCII: true, SortKeys: value.Truth(a[2])}
	indent, err := wholeNumber("to_json_string", "indent", a[1])
	if err != nil {
		return nil, err
	}
	o.Indent = strings.Repeat(" ", max(0, min(indent, 100)))
	if a[3] != nil {
		var pair []any
		switch s := a[3].(type) {
		case *value.List:
			pair = s.Items
		case value.Tuple:
			pair = s
		}
		if len(pair) != 2 {
			return nil, fmt.Errorf("to_json_string(): separators must be a list of two texts, not %s", value.Repr(a[3]))
		}
		o.ItemSeparator, o.KeySeparator = text(pair[0]), text(pair[1])
	}
	return value.DumpJSON(a[0], o)
}

// jsonEscape is the JSON text without the quotes around it; like upstream it takes
// away every quote at both ends, also an escaped one.
func jsonEscape(_ *Call, a []any) (any, error) {
	s, err := value.DumpJSON(a[0], value.JSONOptions{ASCII: true})
	return strings.Trim(s, `"`), err
}

func toComplex(_ *Call, a []any) (any, error) {
	return value.DumpJSON(a[0], value.JSONOptions{ASCII: true})
}

func useNone(_ *Call, a []any) (any, error) {
	if a[0] == nil {
		return NoneMarker, nil
	}
	return a[0], nil
}

func jsonpathQuery(_ *Call, a []any) (any, error) {
	query, err := mustText("jsonpath_query", a[1])
	if err != nil {
		return nil, err
	}
	p, err := jsonpath.Compile(query)
	if err != nil {
		return nil, err
	}
	found, err := p.All(a[0])
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return value.NewList(found...), nil
}
