package params

import (
	"errors"
	"fmt"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// Cast turns a value into the declared type of a parameter, by the rules of
// StackStorm: texts are read, null stays null, and what is no text mostly stays
// as it is. Types without a rule cast nothing.
func Cast(v any, kind string) (any, error) {
	if v == nil {
		return nil, nil
	}
	text, isText := v.(string)
	none := isText && text == functions.NoneMarker
	switch kind {
	case "string":
		switch {
		case none:
			return nil, nil
		case !isText:
			return nil, fmt.Errorf("value %s must be a text or null, not %s; put it in quotes", value.Repr(v), value.TypeName(v))
		}
		return v, nil
	case "integer":
		if none {
			return nil, errors.New("null is not an integer")
		}
		return value.ToInt(v)
	case "number":
		if none {
			return nil, errors.New("null is not a number")
		}
		f, err := value.ToFloat(v)
		if err != nil {
			return nil, err
		}
		return f, nil
	case "boolean":
		if none || !isText {
			return castUnless(none, v), nil
		}
		b, err := value.ParseLiteral(value.Capitalize(text))
		if err != nil {
			return nil, fmt.Errorf("%s is not a boolean: write true or false", value.Repr(text))
		}
		return b, nil
	case "array", "object":
		if none || !isText {
			return castUnless(none, v), nil
		}
		if j, err := value.ParseJSON([]byte(text)); err == nil {
			return j, nil
		}
		l, err := value.ParseLiteral(text)
		if err != nil {
			return nil, fmt.Errorf("%s is neither JSON nor a Python literal", value.Repr(text))
		}
		return l, nil
	}
	return v, nil
}

func castUnless(none bool, v any) any {
	if none {
		return nil
	}
	return v
}
