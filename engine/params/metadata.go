package params

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"petrel/engine/expression/value"
)

// CheckAction checks the metadata of an action at registration: known fields of
// the right kinds, tags, notify, and the parameters against those of its runner.
func CheckAction(metadata, runner json.RawMessage) error {
	v, err := value.ParseJSON(metadata)
	if err != nil {
		return err
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return errors.New("the metadata of an action must be a map")
	}
	for _, name := range []string{"name", "runner_type"} {
		if t, _ := d.GetString(name); t == nil || t == "" {
			return fmt.Errorf("%q is missing", name)
		}
	}
	for k, e := range d.All() {
		if err := checkField(k.(string), e); err != nil {
			return err
		}
	}
	parameters, _ := d.GetString("parameters")
	own, err := value.AppendJSON(nil, parameters)
	if err != nil {
		return err
	}
	_, err = Compile(runner, own)
	return err
}

func checkField(field string, v any) error {
	bad := func(want string) error { return fmt.Errorf("%q must be %s, not %s", field, want, value.Repr(v)) }
	_, isDict := v.(*value.Dict)
	_, isFlag := v.(bool)
	switch field {
	case "name", "runner_type", "pack", "ref", "uid", "id", "metadata_file":
		if !isText(v) && !(v == nil && field != "name" && field != "runner_type") {
			return bad("a text")
		}
	case "description", "entry_point":
		if !isText(v) && v != nil {
			return bad("a text or null")
		}
	case "enabled":
		if !isFlag {
			return bad("true or false")
		}
	case "parameters", "output_schema":
		if !isDict && v != nil {
			return bad("a map")
		}
	case "tags":
		return checkTags(v, bad)
	case "notify":
		return checkNotify(v, bad)
	default:
		return fmt.Errorf("%q is not a field of an action", field)
	}
	return nil
}

func checkTags(v any, bad func(string) error) error {
	l, ok := v.(*value.List)
	if !ok {
		return bad("a list of {name, value}")
	}
	for _, e := range l.Items {
		d, ok := e.(*value.Dict)
		if !ok {
			return bad("a list of {name, value}")
		}
		for k := range d.All() {
			if k != "name" && k != "value" {
				return bad("a list of {name, value}")
			}
		}
	}
	return nil
}

func checkNotify(v any, bad func(string) error) error {
	d, ok := v.(*value.Dict)
	if !ok {
		return bad("a map")
	}
	for k, e := range d.All() {
		if when := k.(string); !slices.Contains([]string{"on-success", "on-failure", "on-complete"}, when) {
			return fmt.Errorf(`"notify" has no key %q: it has on-success, on-failure and on-complete`, when)
		}
		part, ok := e.(*value.Dict)
		if !ok {
			return bad("a map of maps")
		}
		for k, e := range part.All() {
			ok := false
			switch k {
			case "message":
				ok = isText(e)
			case "data":
				_, ok = e.(*value.Dict)
			case "routes", "channels":
				_, ok = e.(*value.List)
			default:
				return fmt.Errorf(`"notify" has no key %q: it has message, data and routes`, k)
			}
			if !ok {
				return fmt.Errorf(`"notify": %q cannot be %s`, k, value.Repr(e))
			}
		}
	}
	return nil
}
