package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestPeople(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, `
people:
  ann: {chat: [slack:U1, "discord:@ann", ann@example.org], groups: [ops, admins]}
  bob:
`)
	c, err := Load(LoadOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	want := People{
		"ann": {Chat: []string{"slack:U1", "discord:@ann", "ann@example.org"}, Groups: []string{"ops", "admins"}},
		"bob": {Chat: []string{}, Groups: []string{}},
	}
	if !reflect.DeepEqual(c.People, want) {
		t.Errorf("%+v", c.People)
	}
	var b strings.Builder
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	again, err := Load(LoadOptions{Path: write(t, t.TempDir(), b.String())})
	if err != nil || !reflect.DeepEqual(again.People, want) {
		t.Errorf("%v, %+v from\n%s", err, again, b.String())
	}
	c, err = Load(LoadOptions{Dir: t.TempDir(), Env: []string{"PETREL_PEOPLE={cyd: {groups: [qa]}}"}})
	if err != nil || !reflect.DeepEqual(c.People, People{"cyd": {Chat: []string{}, Groups: []string{"qa"}}}) {
		t.Errorf("%v, %+v", err, c)
	}
}

func TestPeopleProblems(t *testing.T) {
	for body, want := range map[string]string{
		"people: [ann]":                 "must be a mapping of user names",
		"people: {ann: {group: [ops]}}": "people.ann.group: unknown key; did you mean groups?",
		"people: {ann: {chat: [U1]}}":   "says neither who nor where",
		"people: {ann: {chat: [slack:U1]}, bob: {chat: [slack:u1]}}": "is ann already",
		"people: {ann: {}, ann: {}}":                                 "ann",
		"people: {a b: {}}":                                          "no name of a user",
	} {
		if _, err := Load(LoadOptions{Path: write(t, t.TempDir(), body)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	for _, text := range []string{"ann", "{ann: 7}", "{"} {
		if _, err := Load(LoadOptions{Dir: t.TempDir(), Env: []string{"PETREL_PEOPLE=" + text}}); err == nil {
			t.Errorf("PETREL_PEOPLE=%s is accepted", text)
		}
	}
}
