package aliases

import (
	"fmt"
	"strings"
)

// AmbiguousError: a message fits several aliases equally well.
type AmbiguousError struct {
	Command    string
	Candidates []Match // at least two, in a fixed order
}

func (e *AmbiguousError) Error() string {
	names := make([]string, len(e.Candidates))
	for i, c := range e.Candidates {
		names[i] = fmt.Sprintf("%s (%s)", c.Alias.Ref, c.Format)
	}
	return fmt.Sprintf("Command '%s' matched more than 1 pattern: %s; one of them must be worded differently", e.Command, strings.Join(names, ", "))
}

// NoMatchError: a message fits no alias.
type NoMatchError struct {
	Command     string
	Suggestions []Suggestion // the nearest aliases, may be empty
}

func (e *NoMatchError) Error() string {
	text := fmt.Sprintf("Command '%s' matched no patterns", e.Command)
	if len(e.Suggestions) > 0 {
		text += fmt.Sprintf("; did you mean: %s", e.Suggestions[0])
	}
	return text
}

// Resolve returns the one alias that is meant. Errors: *NoMatchError, *AmbiguousError, or that of an expression that did not end.
func (t *Table) Resolve(msg string) (Match, error) {
	matches, err := t.Match(msg)
	switch {
	case err != nil:
		return Match{}, err
	case len(matches) == 0:
		return Match{}, &NoMatchError{Command: msg, Suggestions: t.Suggest(msg, 3)}
	}
	equal := 1
	for equal < len(matches) && matches[equal].SameRank(matches[0]) {
		equal++
	}
	if equal > 1 {
		return Match{}, &AmbiguousError{Command: msg, Candidates: matches[:equal]}
	}
	return matches[0], nil
}
