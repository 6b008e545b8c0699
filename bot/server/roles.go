package server

import (
	"fmt"
	"slices"
	"strings"
)

// Role is a part of the work of a deployment. A process takes some or all.
type Role string

// The roles, in the order in which people read them.
const (
	RoleChat    Role = "chat"    // talks to people: adapters and outbox
	RoleAPI     Role = "api"     // HTTP: webhooks
	RoleRules   Role = "rules"   // decides what events set off and what comes next in workflows
	RoleWorkers Role = "workers" // runs actions
	RoleSensors Role = "sensors" // runs sensors; each in one process at a time
	RoleTimers  Role = "timers"  // fires timers; one process at a time does
)

// AllRoles lists every role.
var AllRoles = []Role{RoleChat, RoleAPI, RoleRules, RoleWorkers, RoleSensors, RoleTimers}

// Roles is a set of roles.
type Roles []Role

// String lists the roles, separated by commas.
func (r Roles) String() string {
	names := make([]string, len(r))
	for i, role := range r {
		names[i] = string(role)
	}
	return strings.Join(names, ",")
}

// Has reports whether the set holds a role.
func (r Roles) Has(role Role) bool { return slices.Contains(r, role) }

// ParseRoles reads role names; none means all.
func ParseRoles(names []string) (Roles, error) {
	if len(names) == 0 {
		return AllRoles, nil
	}
	var roles Roles
	for _, name := range names {
		role := Role(strings.TrimSpace(name))
		if !Roles(AllRoles).Has(role) {
			return nil, fmt.Errorf("there is no role %q; known are %v", name, AllRoles)
		}
		if !roles.Has(role) {
			roles = append(roles, role)
		}
	}
	return roles, nil
}
