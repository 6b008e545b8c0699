package params

import (
	"encoding/json"
	"fmt"

	"petrel/engine/expression/value"
)

// Form is a schema for an answer that a person gives, such as that of an inquiry:
// an object in the dialect of parameters (`required: true` on a property).
type Form struct{ check validator }

// CompileForm prepares a schema.
func CompileForm(schema json.RawMessage) (*Form, error) {
	dialect, err := parse(schema)
	if err != nil {
		return nil, fmt.Errorf("the schema of the answer: %w", err)
	}
	if kind, _ := dialect.GetString("type"); kind == nil {
		dialect = dialect.Copy()
		dialect.SetString("type", "object")
	}
	check, err := newValidator(dialect)
	return &Form{check}, err
}

// Accept checks an answer and gives it with the defaults filled in. The error says
// which value is wrong.
func (f *Form) Accept(answer json.RawMessage) (*value.Dict, error) {
	given, err := parse(answer)
	if err != nil {
		return nil, &Error{Stage: StageValidate, Err: fmt.Errorf("the answer must be a JSON object: %w", err)}
	}
	if err := f.check.check(given, func(string) bool { return false }); err != nil {
		return nil, err
	}
	filled := value.DeepCopy(given).(*value.Dict)
	fillDefaults(filled, f.check.dialect, 0)
	return filled, nil
}

// Properties lists the values that an answer may have, with their schemas.
func (f *Form) Properties() *value.Dict {
	if p, ok := dictOf(f.check.dialect, "properties"); ok {
		return p
	}
	return value.NewDict(0)
}

// Mask gives an answer with the values hidden that the schema calls secret.
func (f *Form) Mask(answer any) any { return mask(answer, f.check.dialect, 0) }
