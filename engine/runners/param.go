package runners

import (
	"fmt"
	"math"
	"math/big"
	"time"

	"petrel/engine/expression/value"
)

// The parameters of a Job have been cast by their schemas, but an action may
// declare one of them without a type. These read what a runner needs and say
// which parameter is not what it should be. A missing parameter is as null.

// TextParam returns a text, "" for null.
func TextParam(params *value.Dict, name string) (string, error) {
	v, _ := params.GetString(name)
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", wrongType(name, "a string", v)
}

// BoolParam returns a boolean, otherwise for null.
func BoolParam(params *value.Dict, name string, otherwise bool) (bool, error) {
	v, _ := params.GetString(name)
	switch v := v.(type) {
	case nil:
		return otherwise, nil
	case bool:
		return v, nil
	}
	return false, wrongType(name, "true or false", v)
}

// ObjectParam returns an object, an empty one for null.
func ObjectParam(params *value.Dict, name string) (*value.Dict, error) {
	v, _ := params.GetString(name)
	switch v := v.(type) {
	case nil:
		return value.NewDict(0), nil
	case *value.Dict:
		return v, nil
	}
	return nil, wrongType(name, "an object", v)
}

// SecondsParam returns a time span given in seconds, otherwise for null. Zero and
// less is an error: no action ends before it began.
func SecondsParam(params *value.Dict, name string, otherwise time.Duration) (time.Duration, error) {
	v, _ := params.GetString(name)
	if v == nil {
		return otherwise, nil
	}
	var seconds float64
	switch n := v.(type) {
	case int64:
		seconds = float64(n)
	case float64:
		seconds = n
	case *big.Int:
		seconds, _ = new(big.Float).SetInt(n).Float64()
	default:
		return 0, wrongType(name, "a number of seconds", v)
	}
	switch {
	case !(seconds > 0):
		return 0, fmt.Errorf("parameter %s is %s; it must be a number of seconds above 0", name, value.Str(v))
	case seconds >= math.MaxInt64/float64(time.Second):
		return math.MaxInt64, nil
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func wrongType(name, want string, v any) error {
	return fmt.Errorf("parameter %s must be %s, not %s", name, want, value.TypeName(v))
}
