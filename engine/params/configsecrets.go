package params

import (
	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

// Secrets lists the texts of secret items that are written in the configuration
// itself; those that templates take from the datastore are not known here.
func (c *Config) Secrets() []string {
	var texts []string
	collectSecrets(c.values, c.schema, false, 0, &texts)
	return texts
}

func collectSecrets(v any, schema *value.Dict, secret bool, depth int, texts *[]string) {
	secret = secret || flag(schema, "secret")
	if depth > maxSchemaDepth {
		return
	}
	switch v := v.(type) {
	case *value.Dict:
		for k, e := range v.All() {
			collectSecrets(e, configProperty(schema, value.Str(k)), secret, depth+1, texts)
		}
	case *value.List:
		for i, e := range v.Items {
			collectSecrets(e, configItem(schema, i), secret, depth+1, texts)
		}
	case nil, bool:
	case string:
		if secret && !expression.IsTemplate(v) {
			*texts = append(*texts, v)
		}
	default:
		if secret {
			*texts = append(*texts, value.Str(v))
		}
	}
}

// Masked gives the values as they are written, secret ones hidden.
func (c *Config) Masked() *value.Dict {
	if c.schema == nil {
		return value.DeepCopy(c.values).(*value.Dict)
	}
	return mask(c.values, c.schema, 0).(*value.Dict)
}

// SecretTexts lists the texts that are values of secret parameters.
func (s *Set) SecretTexts(params []byte) []string {
	if len(s.secrets) == 0 || len(params) == 0 {
		return nil
	}
	d, err := parse(params)
	if err != nil {
		return nil
	}
	var texts []string
	for k, v := range d.All() {
		if name, ok := k.(string); ok && s.secrets[name] != nil {
			collectSecrets(v, s.secrets[name], false, 0, &texts)
		}
	}
	return texts
}
