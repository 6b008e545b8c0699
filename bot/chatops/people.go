package chatops

import (
	"slices"
	"strings"

	"petrel/adapters"
)

// Known is a user that the configuration knows.
type Known struct {
	Name   string   // of the user
	Chat   []string // PLATFORM:ID, PLATFORM:@name, or an e-mail address; empty: whoever has Name as login
	Groups []string
}

// Person is who a chat user is to Petrel.
type Person struct {
	User   string   // name of the Petrel user
	Groups []string // that the user is in
}

// people finds the user behind a chat login.
type people struct {
	byChat  map[string]*Known // in folded case: "slack:u024be7lh", "slack:@ann", "ann@example.org"
	byName  map[string]*Known // in folded case
	visible []Known
}

func newPeople(known []Known) *people {
	p := &people{byChat: map[string]*Known{}, byName: map[string]*Known{}, visible: slices.Clone(known)}
	for i := range p.visible {
		k := &p.visible[i]
		p.byName[strings.ToLower(k.Name)] = k
		for _, id := range k.Chat {
			p.byChat[strings.ToLower(id)] = k
		}
	}
	return p
}

// identify says who somebody is: as listed by ID, by name or by e-mail address,
// in this order, else the login name. A name that is listed with its chat
// identities belongs to these alone: whoever else has it as login is called
// after the platform, "discord:ann".
func (p *people) identify(adapter string, u adapters.User) Person {
	for _, id := range []string{adapter + ":" + u.ID, adapter + ":@" + u.Name, u.Email} {
		if k := p.byChat[strings.ToLower(id)]; k != nil && id != "" {
			return Person{User: k.Name, Groups: k.Groups}
		}
	}
	login := u.Name
	if login == "" {
		login = u.ID
	}
	k := p.byName[strings.ToLower(login)]
	switch {
	case k == nil:
		return Person{User: login}
	case len(k.Chat) == 0:
		return Person{User: k.Name, Groups: k.Groups}
	}
	return Person{User: adapter + ":" + login}
}
