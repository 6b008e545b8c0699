package params

import (
	"encoding/json"
	"fmt"

	"petrel/engine/expression/value"
)

// Output describes the result of an action: the runner's schema is that of the
// whole result, the action's that of what stands under the runner's output key.
type Output struct {
	key     string
	runner  validator
	action  validator
	masking *value.Dict
}

// CompileOutput reads output schemas; empty or null means none. A schema without
// a type at its top, or one that is malformed, checks nothing: problems lists
// what is wrong with such schemas, for a warning.
func CompileOutput(key string, runner, action json.RawMessage) (o *Output, problems []error) {
	o = &Output{key: key}
	read := func(side string, raw json.RawMessage) (validator, *value.Dict) {
		v, err := value.FromGo(raw)
		d, ok := v.(*value.Dict)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("output schema of the %s: %w", side, err))
			return validator{}, nil
		case !ok || d.Len() == 0:
			return validator{}, nil
		}
		if kind, _ := d.GetString("type"); kind == nil || !isText(kind) {
			problems = append(problems, fmt.Errorf("output schema of the %s has no type at its top: it checks nothing", side))
			return validator{}, d
		}
		if err := CheckSchema(d); err != nil {
			problems = append(problems, fmt.Errorf("output schema of the %s: %w", side, err))
			return validator{}, d
		}
		c, err := newValidator(d)
		if err != nil {
			problems = append(problems, fmt.Errorf("output schema of the %s: %w", side, err))
		}
		return c, d
	}
	o.runner, _ = read("runner", runner)
	o.action, o.masking = read("action", action)
	if o.masking == nil {
		return o, problems
	}
	if kind, _ := o.masking.GetString("type"); kind == nil || !isText(kind) { // the old form: a map of name and schema
		o.masking = value.DictOf("type", "object", "properties", o.masking)
	}
	return o, problems
}

func isText(v any) bool { _, ok := v.(string); return ok }

// Validate checks the result of an action that is about to succeed; an empty one
// is not checked. The error says what does not fit.
func (o *Output) Validate(result json.RawMessage) error {
	v, err := value.FromGo(result)
	if err != nil {
		return fmt.Errorf("result: %w", err)
	}
	if !value.Truth(v) || o.runner.dialect == nil {
		return nil
	}
	if err := o.runner.checkAny(v); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	if o.action.dialect == nil {
		return nil
	}
	d, _ := v.(*value.Dict)
	part, ok := d.GetString(o.key)
	if o.key == "" || !ok {
		return fmt.Errorf("result: the output key %q is not in it", o.key)
	}
	if err := o.action.checkAny(part); err != nil {
		return fmt.Errorf("result.%s: %w", o.key, err)
	}
	return nil
}

// checkAny validates a value of any kind, without filling defaults in.
func (c validator) checkAny(v any) error {
	err := c.schema.Validate(value.ToGo(v))
	if err == nil {
		return nil
	}
	return outputError(err, c.dialect)
}

// Mask replaces secret parts of a result by MaskedValue. A result that cannot be
// read becomes null when there is anything to mask.
func (o *Output) Mask(result json.RawMessage) json.RawMessage {
	if o.masking == nil || o.key == "" || len(result) == 0 || !hasSecret(o.masking, 0) {
		return result
	}
	v, err := value.ParseJSON(result)
	if err != nil {
		return json.RawMessage("null")
	}
	out, err := value.AppendJSON(nil, o.MaskValue(v))
	if err != nil {
		return json.RawMessage("null")
	}
	return out
}

// MaskValue is Mask for a value of the model; it copies what it changes.
func (o *Output) MaskValue(result any) any {
	d, ok := result.(*value.Dict)
	if !ok || o.masking == nil || o.key == "" {
		return result
	}
	part, ok := d.GetString(o.key)
	if !ok {
		return result
	}
	out := d.Copy()
	out.SetString(o.key, mask(part, o.masking, 0))
	return out
}
