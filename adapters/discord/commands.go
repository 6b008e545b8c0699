package discord

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// Limits of slash commands (docs, interactions/application-commands).
const (
	maxCommands       = 100
	maxOptions        = 25
	maxChoices        = 25
	maxCommandName    = 32
	maxDescription    = 100
	maxChoice         = 100
	maxCommandText    = 8000 // names, descriptions and values of a command together
	commandsRetryMost = 10 * time.Minute
)

// wireCommand is a slash command as Discord has it; only what we set.
type wireCommand struct {
	Type        int          `json:"type"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Options     []wireOption `json:"options,omitempty"`
}

type wireOption struct {
	Type        int          `json:"type"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Required    bool         `json:"required,omitempty"`
	Choices     []wireChoice `json:"choices,omitempty"`
}

type wireChoice struct {
	Name  string `json:"name"`
	Value any    `json:"value"` // a string, or a number
}

// commandSync holds the set of commands that there should be.
type commandSync struct {
	changed chan struct{} // holds a token when there is something to do

	mu     sync.Mutex
	set    bool // SetCommands was called
	wanted []wireCommand
	names  map[string]adapters.Command // by the name on Discord
	done   string                      // digest of the set that Discord is known to have
}

func newCommandSync() *commandSync {
	return &commandSync{changed: make(chan struct{}, 1), names: map[string]adapters.Command{}}
}

// SetCommands implements adapters.Commander. The connected process brings
// Discord up to date.
func (a *Adapter) SetCommands(commands []adapters.Command) {
	wire, names, left := shape(commands)
	if len(left) > 0 {
		a.log.Warn("Discord has no room for all slash commands", "limit", maxCommands, "left_out", strings.Join(left, ", "))
	}
	a.sync.mu.Lock()
	a.sync.set, a.sync.wanted, a.sync.names = true, wire, names
	a.sync.mu.Unlock()
	a.sync.wake()
}

func (s *commandSync) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// keepCommands brings Discord's commands up to date until ctx ends.
func (a *Adapter) keepCommands(ctx context.Context) {
	pause := firstPause
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-a.sync.changed:
		}
		again = nil
		if !a.Health().Connected {
			continue // READY and RESUMED wake us
		}
		err := a.syncCommands(ctx)
		var retry *adapters.RetryError
		switch {
		case err == nil:
			pause = firstPause
			continue
		case ctx.Err() != nil:
			return
		case refusedStatus(err) == 400:
			a.log.Error("Discord refuses the slash commands", "error", err)
			continue // until the set changes
		case errors.As(err, &retry):
			pause = max(pause, retry.After)
		}
		a.log.Warn("the slash commands could not be brought up to date", "error", err, "again_in", pause)
		again = time.After(pause)
		pause = min(2*pause, commandsRetryMost)
	}
}

// syncCommands compares what Discord has with what there should be, and
// overwrites it when they differ: Discord allows 200 new commands a day.
func (a *Adapter) syncCommands(ctx context.Context) error {
	a.sync.mu.Lock()
	set, wanted, done := a.sync.set, a.sync.wanted, a.sync.done
	a.sync.mu.Unlock()
	sum := digestOf(wanted)
	if !set || sum == done {
		return nil
	}
	path, err := a.commandsPath(ctx)
	if err != nil {
		return err
	}
	var have []wireCommand
	if err := a.api.get(ctx, path, &have); err != nil {
		return err
	}
	if digestOf(have) != sum {
		if err := a.api.do(ctx, "PUT", path, wanted, nil, nil); err != nil {
			return err
		}
		a.log.Info("slash commands brought up to date", "commands", len(wanted), "guild", a.guild)
	}
	a.sync.mu.Lock()
	defer a.sync.mu.Unlock()
	a.sync.done = sum
	return nil
}

func (a *Adapter) commandsPath(ctx context.Context) (string, error) {
	_, app, err := a.identity(ctx)
	if err != nil {
		return "", err
	}
	if a.guild != "" {
		return "applications/" + app + "/guilds/" + a.guild + "/commands", nil
	}
	return "applications/" + app + "/commands", nil
}

// digestOf is the same for sets that do not differ in what we set.
func digestOf(commands []wireCommand) string {
	sorted := slices.Clone(commands)
	slices.SortFunc(sorted, func(x, y wireCommand) int { return strings.Compare(x.Name, y.Name) })
	body, err := json.Marshal(sorted)
	if err != nil {
		return err.Error() // fits nothing
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// spoken gives a called command and its options the names that SetCommands used.
func (s *commandSync) spoken(name string, values []commandValue) (string, map[string]string) {
	s.mu.Lock()
	command, known := s.names[name]
	s.mu.Unlock()
	options := map[string]string{}
	for _, v := range values {
		option := v.Name
		for _, o := range command.Options {
			if legalName(o.Name) == v.Name {
				option = o.Name
			}
		}
		options[option] = v.text()
	}
	if known {
		name = command.Name
	}
	return name, options
}

// shape makes commands fit Discord. left are the names of those without room.
func shape(commands []adapters.Command) (wire []wireCommand, names map[string]adapters.Command, left []string) {
	wire, names = []wireCommand{}, map[string]adapters.Command{}
	for _, c := range commands {
		name := legalName(c.Name)
		if _, taken := names[name]; name == "" || taken || len(wire) == maxCommands {
			left = append(left, c.Name)
			continue
		}
		names[name] = c
		w := wireCommand{Type: 1, Name: name, Description: description(c.Description, c.Name), Options: shapeOptions(c.Options)}
		shrink(&w)
		wire = append(wire, w)
	}
	return wire, names, left
}

func shapeOptions(options []adapters.CommandOption) []wireOption {
	options = slices.Clone(options)
	slices.SortStableFunc(options, func(x, y adapters.CommandOption) int {
		if x.Required == y.Required {
			return 0
		}
		if x.Required {
			return -1
		}
		return 1
	})
	var wire []wireOption
	taken := map[string]bool{}
	for _, o := range options {
		name := legalName(o.Name)
		if name == "" || taken[name] || len(wire) == maxOptions {
			continue
		}
		taken[name] = true
		w := wireOption{Type: optionKind(o.Kind), Name: name, Description: description(o.Description, o.Name), Required: o.Required}
		if len(o.Choices) <= maxChoices { // with more, the values are typed
			w.Choices = shapeChoices(w.Type, o.Choices)
		}
		wire = append(wire, w)
	}
	return wire
}

func optionKind(kind string) int {
	switch kind {
	case "integer":
		return 4
	case "boolean":
		return 5
	case "number":
		return 10
	}
	return 3
}

// shapeChoices returns nil when Discord cannot show one of them.
func shapeChoices(kind int, choices []adapters.Option) []wireChoice {
	var wire []wireChoice
	for _, c := range choices {
		w := wireChoice{Name: labelText(c.Label, c.Value, maxChoice), Value: c.Value}
		switch kind {
		case 4, 10:
			n, err := strconv.ParseFloat(c.Value, 64)
			if err != nil {
				return nil
			}
			w.Value = n
		case 5:
			return nil // true and false are offered anyway
		default:
			if n := utf8.RuneCountInString(c.Value); n == 0 || n > maxChoice {
				return nil
			}
		}
		wire = append(wire, w)
	}
	return wire
}

// shrink keeps a command within the limit of its texts: choices are typed
// instead, the longest lists first, then descriptions are cut.
func shrink(c *wireCommand) {
	for commandSize(c) > maxCommandText {
		longest, size := -1, 0
		for i, o := range c.Options {
			if n := choicesSize(o); n > size {
				longest, size = i, n
			}
		}
		if longest < 0 {
			break
		}
		c.Options[longest].Choices = nil
	}
	for limit := maxDescription; commandSize(c) > maxCommandText && limit > 1; limit /= 2 {
		for i := range c.Options {
			c.Options[i].Description = markup.Shorten(c.Options[i].Description, limit)
		}
	}
}

func commandSize(c *wireCommand) int {
	n := utf8.RuneCountInString(c.Name + c.Description)
	for _, o := range c.Options {
		n += utf8.RuneCountInString(o.Name+o.Description) + choicesSize(o)
	}
	return n
}

func choicesSize(o wireOption) int {
	n := 0
	for _, c := range o.Choices {
		n += utf8.RuneCountInString(c.Name)
		if s, ok := c.Value.(string); ok {
			n += utf8.RuneCountInString(s)
		}
	}
	return n
}

func description(text, other string) string {
	if text = markup.OneLine(text); text == "" {
		text = other
	}
	return markup.Shorten(text, maxDescription)
}

// legalName is a name as Discord takes it: lower case, without blanks.
func legalName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch r = unicode.ToLower(r); {
		case unicode.IsLetter(r), unicode.IsNumber(r), r == '-', r == '_':
			return r
		}
		return '-'
	}, strings.TrimSpace(name))
	if r := []rune(name); len(r) > maxCommandName {
		name = string(r[:maxCommandName])
	}
	return name
}
