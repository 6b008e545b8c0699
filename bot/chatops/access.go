package chatops

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine/expression"
	"petrel/engine/expression/exprlang"
)

// asker is who wants something where: what permissions are judged by.
type asker struct {
	Person
	login   adapters.User
	adapter string
	channel adapters.Channel
	thread  string
	text    string
}

func (c *Chat) askerOf(cmd command) asker {
	return asker{
		Person: c.people.identify(cmd.Adapter, cmd.User), login: cmd.User,
		adapter: cmd.Adapter, channel: cmd.Channel, thread: cmd.Thread, text: cmd.Text,
	}
}

// allowNames is what an `allow_when` may use.
func allowNames() exprlang.Schema {
	text := exprlang.Text()
	return exprlang.Schema{
		"user": exprlang.Record(map[string]exprlang.Shape{
			"id": text, "name": text, "login": text, "email": text, "groups": exprlang.List(text),
		}),
		"channel":    exprlang.Record(map[string]exprlang.Shape{"id": text, "name": text, "direct": exprlang.Flag()}),
		"adapter":    text,
		"thread":     text,
		"text":       text,
		"parameters": exprlang.Any(),
		"st2kv":      exprlang.Any(),
	}
}

// CheckAllowWhen says what is wrong with an `allow_when`, such as a name that
// does not exist; nil when nothing is.
func CheckAllowWhen(r *expression.Renderer, source string) error {
	return r.CheckExpr(source, allowNames())
}

// refusal says why a command may not be run by this person here: which rule says
// so and whom to ask; "" when it may. A condition that cannot be tested refuses
// too.
func (c *Chat) refusal(ctx context.Context, who asker, alias *aliases.Definition, hit aliases.Params) (string, error) {
	reason := listed(alias, who)
	if reason == "" && alias.AllowWhen != "" {
		var err error
		if reason, err = c.condition(ctx, who, alias, hit); err != nil {
			return "", err
		}
	}
	if reason == "" {
		return "", nil
	}
	return reason + c.whomToAsk(alias), nil
}

// listed judges by the lists of allow and deny.
func listed(alias *aliases.Definition, who asker) string {
	const may = "You may not run this here. "
	if d := alias.Deny; d != nil {
		for _, list := range []struct {
			name, what string
			hit        bool
		}{
			{"users", "you", who.among(d.Users)}, {"groups", "your group", who.inGroup(d.Groups)},
			{"channels", who.placeName(), who.inChannel(d.Channels)}, {"platforms", who.adapter, who.on(d.Platforms)},
		} {
			if list.hit {
				return fmt.Sprintf(may+"The alias %s excludes %s (deny.%s).", alias.Ref, list.what, list.name)
			}
		}
	}
	a := alias.Allow
	switch {
	case a == nil:
	case len(a.Users)+len(a.Groups) > 0 && !who.among(a.Users) && !who.inGroup(a.Groups):
		var names []string
		if len(a.Users) > 0 {
			names = append(names, "the users "+strings.Join(a.Users, ", ")+" (allow.users)")
		}
		if len(a.Groups) > 0 {
			names = append(names, "the groups "+strings.Join(a.Groups, ", ")+" (allow.groups)")
		}
		return fmt.Sprintf(may+"The alias %s allows it only to %s, and you are %s.", alias.Ref, strings.Join(names, " and "), who.User)
	case len(a.Channels) > 0 && !who.inChannel(a.Channels):
		return fmt.Sprintf(may+"The alias %s allows it only in %s (allow.channels).", alias.Ref, strings.Join(a.Channels, ", "))
	case len(a.Platforms) > 0 && !who.on(a.Platforms):
		return fmt.Sprintf(may+"The alias %s allows it only on %s (allow.platforms).", alias.Ref, strings.Join(a.Platforms, ", "))
	}
	return ""
}

func (w asker) among(users []string) bool {
	return slices.ContainsFunc(users, func(u string) bool { return strings.EqualFold(u, w.User) })
}

func (w asker) inGroup(groups []string) bool {
	return slices.ContainsFunc(groups, func(g string) bool {
		return slices.ContainsFunc(w.Groups, func(own string) bool { return strings.EqualFold(g, own) })
	})
}

func (w asker) inChannel(channels []string) bool {
	return slices.ContainsFunc(channels, func(ch string) bool {
		if ch == "direct" && w.channel.Direct {
			return true
		}
		return ch == w.channel.ID || strings.EqualFold(strings.TrimPrefix(ch, "#"), strings.TrimPrefix(w.channel.Name, "#"))
	})
}

func (w asker) on(platforms []string) bool {
	return slices.ContainsFunc(platforms, func(p string) bool { return strings.EqualFold(p, w.adapter) })
}

func (w asker) placeName() string {
	switch {
	case w.channel.Direct:
		return "direct conversations"
	case w.channel.Name != "":
		return w.channel.Name
	}
	return "this channel"
}

// condition judges by allow_when.
func (c *Chat) condition(ctx context.Context, who asker, alias *aliases.Definition, hit aliases.Params) (string, error) {
	parameters := make(map[string]any, len(hit))
	for name, text := range hit {
		parameters[name] = nil
		if text != nil {
			parameters[name] = *text
		}
	}
	groups := make([]any, len(who.Groups))
	for i, g := range who.Groups {
		groups[i] = g
	}
	holds, err := c.renderer.WithUser(who.User).Condition(ctx, alias.AllowWhen, expression.Names{
		"user": map[string]any{
			"id": who.login.ID, "name": who.User, "login": who.login.Name, "email": who.login.Email, "groups": groups,
		},
		"channel": map[string]any{"id": who.channel.ID, "name": who.channel.Name, "direct": who.channel.Direct},
		"adapter": who.adapter, "thread": who.thread, "text": who.text, "parameters": parameters,
	})
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return fmt.Sprintf("This is not allowed, because the condition of %s cannot be tested: %v.", alias.Ref, err), nil
	case !holds:
		return fmt.Sprintf("You may not run this here. The alias %s allows it only when `%s`.", alias.Ref, inline(alias.AllowWhen)), nil
	}
	return "", nil
}

// whomToAsk names who can help a refused person: the contact of the alias, else
// the admins of the configuration.
func (c *Chat) whomToAsk(alias *aliases.Definition) string {
	whom := alias.Contact
	if whom == "" {
		whom = strings.Join(c.admins, ", ")
	}
	if whom == "" {
		return ""
	}
	return " Ask " + whom + "."
}

// needsCommand finds conditions that depend on what exactly is typed.
var needsCommand = regexp.MustCompile(`\b(parameters|text)\b`)

// mayEver tells whether help shows a command to somebody: it does unless the
// command is refused whatever its parameters are.
func (c *Chat) mayEver(ctx context.Context, who asker, alias *aliases.Definition) bool {
	if listed(alias, who) != "" {
		return false
	}
	if alias.AllowWhen == "" || needsCommand.MatchString(alias.AllowWhen) {
		return true
	}
	reason, err := c.condition(ctx, who, alias, nil)
	return err == nil && reason == ""
}
