package discord

import (
	"fmt"
	"strings"
	"testing"

	"petrel/adapters"
)

func TestShapeCommands(t *testing.T) {
	var many []adapters.Command
	for i := range 103 {
		many = append(many, adapters.Command{Name: fmt.Sprintf("c%d", i)})
	}
	wire, _, left := shape(many)
	if len(wire) != 100 || len(left) != 3 || wire[0].Description != "c0" {
		t.Errorf("%d commands, left out: %q", len(wire), left)
	}
	var options []adapters.CommandOption
	for i := range 30 {
		o := adapters.CommandOption{Name: fmt.Sprintf("Option %d", i), Description: strings.Repeat("d", 120), Kind: "string", Required: i == 20}
		for k := range 25 {
			o.Choices = append(o.Choices, adapters.Option{Value: fmt.Sprint("value ", k), Label: strings.Repeat("l", 40)})
		}
		options = append(options, o)
	}
	wire, names, _ := shape([]adapters.Command{{Name: "Deploy Web", Description: "x", Options: options}, {Name: "deploy-web"}})
	if len(wire) != 1 || wire[0].Name != "deploy-web" || names["deploy-web"].Name != "Deploy Web" {
		t.Fatalf("the names are %+v", names)
	}
	c := wire[0]
	if len(c.Options) != 25 || c.Options[0].Name != "option-20" || !c.Options[0].Required || commandSize(&c) > maxCommandText {
		t.Errorf("%d options, the first is %s, %d characters", len(c.Options), c.Options[0].Name, commandSize(&c))
	}
}

func TestShapeOptions(t *testing.T) {
	got := shapeOptions([]adapters.CommandOption{
		{Name: "n", Kind: "integer", Choices: []adapters.Option{{Value: "1", Label: "one"}}},
		{Name: "bad", Kind: "number", Choices: []adapters.Option{{Value: "x"}}},
		{Name: "b", Kind: "boolean", Choices: []adapters.Option{{Value: "true"}}},
		{Name: "long", Kind: "string", Choices: make([]adapters.Option, 26)},
		{Name: "n", Kind: "string"},
	})
	if len(got) != 4 || got[0].Type != 4 || got[0].Choices[0].Value != 1.0 || got[1].Choices != nil || got[2].Type != 5 || got[3].Choices != nil {
		t.Errorf("%+v", got)
	}
}

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"a_b *c* `d`":                  "a\\_b \\*c\\* \\`d\\`",
		"see https://x.example/a_b ok": "see https://x.example/a_b ok",
		"# h\n- l\n> q\n12. n\n-# s":   "\\# h\n\\- l\n\\> q\n12\\. n\n\\-# s",
		"a - b > c # d":                "a - b > c # d",
		"<@1> @here":                   "\\<@1> @\u200bhere",
		`C:\x`:                         `C:\\x`,
	} {
		if got := escape(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestPlainText(t *testing.T) {
	a, err := New(Options{Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	a.know(user{ID: "1000000000000000000", Username: "petrel"}, "2")
	a.places.joined(guild{ID: "7000000000000000000", Channels: []channel{{ID: "3000000000000000000", Name: "ops"}}}, "1000000000000000000")
	a.places.roles["7000000000000000000"] = map[string]bool{"5000000000000000000": true}
	for in, want := range map[string]string{
		"<@1000000000000000000> run date":                           "+run date",
		"<@!1000000000000000000>: run date":                         "+run date",
		"<@&5000000000000000000>, help":                             "+help",
		"run date <@1000000000000000000>":                           "+run date",
		"<@2000000000000000000> <@9000000000000000000>":             "-@ann <@9000000000000000000>",
		"see <#3000000000000000000> <#4000000000000000000>":         "-see #ops <#4000000000000000000>",
		"<a:dance:6000000000000000000> <:logo:6000000000000000000>": "-:dance: :logo:",
		"curl <https://x.example/a>":                                "-curl https://x.example/a",
		"a <b> & c":                                                 "-a <b> & c",
	} {
		text, mentioned := a.plainText(message{Content: in, GuildID: "7000000000000000000", Mentions: []user{{ID: "2000000000000000000", Username: "ann"}}})
		if mentioned {
			text = "+" + text
		} else {
			text = "-" + text
		}
		if text != want {
			t.Errorf("%q became %q, want %q", in, text, want)
		}
	}
}
