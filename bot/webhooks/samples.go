package webhooks

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed samples
var samples embed.FS

// Samples names the sample bodies, by whom sends such.
func Samples() []string {
	entries, err := samples.ReadDir("samples")
	if err != nil { // they are part of the program
		panic(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	slices.Sort(names)
	return names
}

// Sample returns a sample body.
func Sample(name string) ([]byte, error) {
	body, err := samples.ReadFile("samples/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("there is no sample %q; known are %s", name, strings.Join(Samples(), ", "))
	}
	return body, nil
}

// SampleHeaders are what a sender puts beside the body of a sample, such as the
// kind of the event.
func SampleHeaders(name string) map[string]string {
	switch kind, event, _ := strings.Cut(name, "-"); kind {
	case "github":
		return map[string]string{"X-GitHub-Event": event, "User-Agent": "GitHub-Hookshot/petrel"}
	case "gitlab":
		return map[string]string{"X-Gitlab-Event": strings.ToUpper(event[:1]) + event[1:] + " Hook"}
	}
	return nil
}
