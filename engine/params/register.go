package params

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"petrel/engine/expression/value"
)

// wordName is a parameter name: word characters of any script, a digit may come first.
var wordName = regexp.MustCompile(`^[\p{L}\p{N}\p{M}_]+$`)

// schemaTypes are the types of the dialect; lists of types are not allowed.
var schemaTypes = []string{"array", "boolean", "integer", "null", "number", "object", "string"}

// maxSchemaDepth bounds how deep schemas may nest.
const maxSchemaDepth = 40

// keywordKind tells what a keyword of a schema must hold.
type keywordKind int

const (
	kindAny keywordKind = iota
	kindText
	kindFlag
	kindNumber
	kindPositive
	kindSize // an integer from 0
	kindPosition
	kindType
	kindEnum
	kindSchema
	kindSchemas     // a list of schemas, one at least
	kindSchemaMap   // a map of name and schema
	kindFlagSchema  // a boolean or a schema
	kindItems       // a schema or a list of schemas
	kindBoundFlag   // a boolean that needs minimum or maximum beside it
	kindDependences // a map of schemas or lists of names
)

// keywords are those of JSON schema draft 4 as StackStorm changed it: "required"
// is a boolean, secret, immutable and position are new, format is gone.
var keywords = map[string]keywordKind{
	"title": kindText, "description": kindText, "id": kindText, "$schema": kindText, "pattern": kindText,
	"default": kindAny, "enum": kindEnum, "type": kindType,
	"required": kindFlag, "secret": kindFlag, "immutable": kindFlag, "uniqueItems": kindFlag, "position": kindPosition,
	"multipleOf": kindPositive, "minimum": kindNumber, "maximum": kindNumber,
	"exclusiveMinimum": kindBoundFlag, "exclusiveMaximum": kindBoundFlag,
	"minLength": kindSize, "maxLength": kindSize, "minItems": kindSize, "maxItems": kindSize, "minProperties": kindSize, "maxProperties": kindSize,
	"items": kindItems, "additionalItems": kindFlagSchema, "additionalProperties": kindFlagSchema,
	"properties": kindSchemaMap, "patternProperties": kindSchemaMap, "definitions": kindSchemaMap, "dependencies": kindDependences,
	"allOf": kindSchemas, "anyOf": kindSchemas, "oneOf": kindSchemas, "not": kindSchema,
}

// checkSchema checks a schema against the dialect; path is where it lies within the parameter.
func checkSchema(s *value.Dict, path string, depth int) error {
	if depth > maxSchemaDepth {
		return fmt.Errorf("%sthe schema is nested deeper than %d levels", path, maxSchemaDepth)
	}
	for k, v := range s.All() {
		key := k.(string)
		kind, known := keywords[key]
		if !known {
			return fmt.Errorf("%s%q is not allowed in a schema", path, key)
		}
		if err := checkKeyword(s, key, kind, v, path, depth); err != nil {
			return err
		}
	}
	return nil
}

func checkKeyword(s *value.Dict, key string, kind keywordKind, v any, path string, depth int) error {
	bad := func(want string) error {
		return fmt.Errorf("%s%q must be %s, not %s", path, key, want, value.Repr(v))
	}
	_, isText := v.(string)
	_, isFlag := v.(bool)
	number, isNumber := value.Float(v)
	isNumber = isNumber && !isFlag
	switch kind {
	case kindText:
		if !isText {
			return bad("a text")
		}
	case kindFlag:
		if !isFlag {
			return bad("true or false")
		}
	case kindNumber:
		if !isNumber {
			return bad("a number")
		}
	case kindPositive:
		if !isNumber || number <= 0 {
			return bad("a number above 0")
		}
	case kindPosition:
		if !isNumber || number < 0 {
			return bad("a number from 0")
		}
	case kindSize:
		if n, ok := v.(int64); !ok || n < 0 {
			return bad("an integer from 0")
		}
	case kindType:
		if name, _ := v.(string); !slices.Contains(schemaTypes, name) {
			return bad("one of " + strings.Join(schemaTypes, ", "))
		}
	case kindEnum:
		return checkEnum(v, bad)
	case kindBoundFlag:
		bound := strings.ToLower(strings.TrimPrefix(key, "exclusive"))
		if _, ok := s.GetString(bound); !isFlag || !ok {
			return bad(fmt.Sprintf("true or false, with a %q beside it", bound))
		}
	case kindAny:
	default:
		return checkNested(key, kind, v, path, depth, bad)
	}
	return nil
}

func checkEnum(v any, bad func(string) error) error {
	l, ok := v.(*value.List)
	if !ok || len(l.Items) == 0 {
		return bad("a list with at least one value")
	}
	for i, a := range l.Items {
		for _, b := range l.Items[:i] {
			if value.Equal(a, b) && value.TypeName(a) == value.TypeName(b) {
				return bad("a list of different values")
			}
		}
	}
	return nil
}

func checkNested(key string, kind keywordKind, v any, path string, depth int, bad func(string) error) error {
	path += key + ": "
	dict, isDict := v.(*value.Dict)
	list, isList := v.(*value.List)
	_, isFlag := v.(bool)
	each := func(items []any, name func(int) string) error {
		for i, item := range items {
			d, ok := item.(*value.Dict)
			if !ok {
				return fmt.Errorf("%s%s must be a schema, not %s", path, name(i), value.Repr(item))
			}
			if err := checkSchema(d, path+name(i)+": ", depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	index := func(i int) string { return fmt.Sprint(i) }
	switch {
	case kind == kindSchema && isDict, kind == kindFlagSchema && isDict, kind == kindItems && isDict:
		return checkSchema(dict, path, depth+1)
	case kind == kindFlagSchema && isFlag:
		return nil
	case (kind == kindSchemas || kind == kindItems) && isList && len(list.Items) > 0:
		return each(list.Items, index)
	case kind == kindSchemaMap && isDict:
		return each(dict.Values(), func(i int) string { k, _ := dict.At(i); return value.Str(k) })
	case kind == kindDependences && isDict:
		for k, e := range dict.All() {
			if l, ok := e.(*value.List); ok && len(l.Items) > 0 {
				continue
			}
			if err := each([]any{e}, func(int) string { return value.Str(k) }); err != nil {
				return err
			}
		}
		return nil
	}
	return bad(map[keywordKind]string{
		kindSchema: "a schema", kindSchemas: "a list with at least one schema", kindSchemaMap: "a map of schemas",
		kindFlagSchema: "true, false or a schema", kindItems: "a schema or a list of schemas", kindDependences: "a map",
	}[kind])
}

// overridable are the keys of a runner's parameter that an action may set anew.
var overridable = []string{"default", "description", "enum", "immutable", "required"}

// checkOverrides checks what depends on both sides: overrides, positions, immutable parameters.
func (s *Set) checkOverrides() error {
	type place struct {
		at   float64
		name string
	}
	var places []place
	for _, name := range s.action.names {
		own, runner := s.action.byName[name], s.runner.byName[name]
		if runner != nil {
			if err := checkOverride(name, own.raw, runner.raw); err != nil {
				return err
			}
		}
		if at, ok := own.raw.GetString("position"); ok {
			f, _ := value.Float(at)
			places = append(places, place{f, name})
		}
		if _, ok := own.raw.GetString("immutable"); !ok {
			continue
		}
		if runner != nil {
			if _, ok := runner.raw.GetString("immutable"); ok {
				return fmt.Errorf("parameter %q is declared immutable in the runner and cannot be declared so in the action", name)
			}
		}
		if own.immutable && !own.hasDefault && (runner == nil || !runner.hasDefault) {
			return fmt.Errorf("parameter %q: an immutable parameter needs a default", name)
		}
	}
	sort.Slice(places, func(i, j int) bool { return places[i].at < places[j].at })
	for i := 1; i < len(places); i++ {
		switch a, b := places[i-1], places[i]; {
		case a.at == b.at:
			return fmt.Errorf("parameters %q and %q have the same position %v: positions must be unique", a.name, b.name, a.at)
		case b.at != a.at+1:
			return fmt.Errorf("parameter %q: there is no parameter between the positions %v and %v: positions must be contiguous", b.name, a.at, b.at)
		}
	}
	return nil
}

func checkOverride(name string, own, runner *value.Dict) error {
	for k, v := range own.All() {
		key := k.(string)
		if slices.Contains(overridable, key) {
			continue
		}
		if r, _ := runner.GetString(key); !value.Equal(r, v) {
			return fmt.Errorf("parameter %q: %q is set by the runner and cannot be overridden; an action may set %s", name, key, strings.Join(overridable, ", "))
		}
	}
	return nil
}

// CheckSchema checks one schema of the dialect, of an output or a pack's config.
func CheckSchema(s *value.Dict) error {
	if s == nil {
		return errors.New("a schema must be a map")
	}
	return checkSchema(s, "", 0)
}
