package functions

import (
	"strings"
	"testing"

	"petrel/engine/expression/value"
)

// call runs a function on arguments written as JSON.
func call(t *testing.T, name, args, keywords string) (any, error) {
	t.Helper()
	f := ByName(Everywhere)[name]
	if f == nil {
		t.Fatalf("there is no function %s", name)
	}
	pos, err := value.ParseJSON([]byte("[" + args + "]"))
	if err != nil {
		t.Fatal(err)
	}
	kw, err := value.ParseJSON([]byte("{" + keywords + "}"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]any{}
	for k, v := range kw.(*value.Dict).All() {
		named[k.(string)] = v
	}
	bound, err := f.Bind(pos.(*value.List).Items, named, nil)
	if err != nil {
		return nil, err
	}
	return f.Run(&Call{Patterns: &Patterns{}}, bound)
}

func TestFunctions(t *testing.T) {
	for _, c := range []struct{ name, args, keywords, want string }{
		{"from_json_string", `"{\"p\": [2]}"`, ``, `{'p': [2]}`},
		{"from_json_string", `5`, ``, `5`},
		{"from_yaml_string", `"q: off"`, ``, `{'q': False}`},
		{"to_json_string", `{"b": 1, "a": "ü"}`, ``, `'{"b": 1,"a": "\\u00fc"}'`},
		{"to_json_string", `{"b": 1, "a": [1, 2]}`, `"sort_keys": true, "separators": [";", "="]`, `'{"a"=[1;2];"b"=1}'`},
		{"json_escape", `"a\tb"`, ``, `'a\\tb'`},
		{"json_escape", `"\"quoted\""`, ``, `'\\"quoted\\'`},
		{"to_complex", `[1, null]`, ``, `'[1, null]'`},
		{"use_none", `null`, ``, `'%*****__%NONE%__*****%'`},
		{"use_none", `0`, ``, `0`},
		{"jsonpath_query", `{"r": [{"i": 4}, {"i": 5}]}, "r[*].i"`, ``, `[4, 5]`},
		{"jsonpath_query", `{}, "a"`, ``, `None`},
		{"regex_match", `"job-7", "job"`, ``, `True`},
		{"regex_match", `"a job", "job"`, ``, `False`},
		{"regex_search", `8080, "80$"`, ``, `True`},
		{"regex_replace", `"k=v", "(.)=(.)", "\\2=\\1"`, ``, `'v=k'`},
		{"regex_replace", `"abc", "B", "-"`, `"ignorecase": true`, `'a-c'`},
		{"regex_substring", `"id 42 43", "[0-9]+", 1`, ``, `'43'`},
		{"regex_substring", `"id 42 43", "[0-9]+", -1`, ``, `'43'`},
		{"regex_substring", `"k=v", "(.)=(.)"`, ``, `('k', 'v')`},
		{"version_compare", `"1.2.0-rc.1", "1.2.0"`, ``, `-1`},
		{"version_compare", `"1.0.0-alpha.9", "1.0.0-alpha.10"`, ``, `-1`},
		{"version_compare", `"1.0.0-1", "1.0.0-a"`, ``, `-1`},
		{"version_compare", `"1.0.0-a.1", "1.0.0-a"`, ``, `1`},
		{"version_equal", `"1.0.0+a", "1.0.0+b"`, ``, `True`},
		{"version_more_than", `"2.0.0", "1.9.9"`, ``, `True`},
		{"version_less_than", `"2.0.0", "10.0.0"`, ``, `True`},
		{"version_match", `"0.8.1", "!=0.8.0"`, ``, `True`},
		{"version_match", `"0.8.1", "0.8.1"`, ``, `True`},
		{"version_match", `"0.8.1", ">=0.9.0"`, ``, `False`},
		{"version_bump_major", `"3.4.5"`, ``, `'4.0.0'`},
		{"version_bump_minor", `"3.4.5"`, ``, `'3.5.0'`},
		{"version_bump_patch", `"3.4.5-rc.1+b"`, ``, `'3.4.6'`},
		{"version_strip_patch", `"3.4.5"`, ``, `'3.4'`},
		{"to_human_time_from_seconds", `93784`, ``, `'1d2h3m4s'`},
		{"to_human_time_from_seconds", `31622400`, ``, `'1y1d0h0m0s'`},
		{"to_human_time_from_seconds", `2.5`, ``, `'2s'`},
		{"to_human_time_from_seconds", `0.25`, ``, `'0.25μs'`},
		{"to_human_time_from_seconds", `0`, ``, `'0s'`},
		{"basename", `"/x/y.z"`, ``, `'y.z'`},
		{"dirname", `"/x/y.z"`, ``, `'/x'`},
		{"dirname", `"//y"`, ``, `'//'`},
		{"dirname", `"y"`, ``, `''`},
		{"json", `"[1]"`, ``, `[1]`},
		{"zip", `[1, 2], [3]`, `"pad": 0`, `[[1, 3], [2, 0]]`},
		{"zip", `[1, 2]`, ``, `[1, 2]`},
		{"zip", `null, [3]`, ``, `[[None, 3]]`},
	} {
		got, err := call(t, c.name, c.args, c.keywords)
		if err != nil {
			t.Errorf("%s(%s): %v", c.name, c.args, err)
		} else if value.Repr(got) != c.want {
			t.Errorf("%s(%s): got %s, want %s", c.name, c.args, value.Repr(got), c.want)
		}
	}
}

func TestFunctionErrors(t *testing.T) {
	for _, c := range []struct{ name, args, keywords, part string }{
		{"from_json_string", `"{"`, ``, "not valid JSON"},
		{"regex_match", `"x", "("`, ``, "position"},
		{"regex_match", `"x", 5`, ``, "must be text"},
		{"regex_match", `"x"`, ``, "misses its argument pattern"},
		{"regex_match", `"x", "y", true, 4`, ``, "at most 3"},
		{"regex_match", `"x", "y"`, `"patern": 1`, "no parameter patern"},
		{"regex_match", `"x", "y"`, `"pattern": "z"`, "two values for pattern"},
		{"regex_substring", `"ab", "\\d"`, ``, "out of range"},
		{"version_compare", `"1.0", "1.0.0"`, ``, "1.0 is not valid SemVer"},
		{"version_compare", `"01.0.0", "1.0.0"`, ``, "not valid"},
		{"version_match", `"1.0.0", "~1.0.0"`, ``, "<op><version>"},
		{"to_human_time_from_seconds", `"5"`, ``, "number of seconds"},
		{"basename", `5`, ``, "needs text"},
		{"jsonpath_query", `{}, "a b"`, ``, "unexpected"},
		{"json", `5`, ``, "not typeof string"},
		{"ctx", ``, ``, "only in workflows"},
	} {
		if _, err := call(t, c.name, c.args, c.keywords); err == nil || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s(%s %s): got %v, want an error with %q", c.name, c.args, c.keywords, err, c.part)
		}
	}
}

const workflowContext = `{"v": 1, "st2": {"user": "u"}, "__current_item": {"host": "h1"},
	"__current_task": {"id": "b", "route": 2, "result": {"code": 200}},
	"__state": {"routes": [[], ["a1"], ["a1", "c1"]], "tasks": {"a__r0": 0, "b__r2": 1, "m__r1": 2},
		"sequence": [{"id": "a", "route": 0, "status": "failed"}, {"id": "b", "route": 2, "status": "succeeded"}, {"id": "m", "route": 1, "status": "running"}]}}`

func TestWorkflow(t *testing.T) {
	doc, err := value.ParseJSON([]byte(workflowContext))
	if err != nil {
		t.Fatal(err)
	}
	c := &Call{Workflow: Variables{doc.(*value.Dict)}}
	for _, test := range []struct {
		name string
		args []any
		want string
	}{
		{"ctx", nil, `{'v': 1, 'st2': {'user': 'u'}}`},
		{"ctx", []any{"v"}, `1`},
		{"ctx", []any{"nope"}, `error: The variable "nope" is undefined.`},
		{"ctx", []any{"__state"}, `error: The variable "__state" is for internal use and inaccessible.`},
		{"item", []any{"host"}, `'h1'`},
		{"item", []any{"port"}, `error: Item does not have key "port".`},
		{"result", nil, `{'code': 200}`},
		{"succeeded", nil, `True`},
		{"failed", nil, `False`},
		{"completed", nil, `True`},
		{"task_status", []any{"a"}, `'failed'`},
		{"task_status", []any{"m"}, `'running'`},
		{"task_status", []any{"zz"}, `'null'`},
		{"task_status", []any{"zz", int64(7)}, `error: there is no route 7`},
		{"task", []any{"zz"}, `error: Unable to find task execution for "zz".`},
		{"st2kv", []any{"system.k"}, `error: The key "system.k" does not exist in the StackStorm datastore.`},
		{"st2kv", []any{"system.k", false, nil}, `None`},
		{"st2kv", []any{"system.k", int64(1)}, `error: st2kv(): decrypt must be true or false, not 1`},
	} {
		f := ByName(Orquesta)[test.name]
		args, err := f.Bind(test.args, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if v, err := f.Run(c, args); err != nil {
			got = "error: " + err.Error()
		} else {
			got = value.Repr(v)
		}
		if got != test.want {
			t.Errorf("%s(%v): got %s, want %s", test.name, test.args, got, test.want)
		}
	}
}
