package slack

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"gopkg.in/yaml.v3"
)

// The manifest that docs/slack.md tells people to paste has what the adapter
// uses, and no more.
func TestManifest(t *testing.T) {
	page, err := os.ReadFile("../../docs/slack.md")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Features struct {
			SlashCommands []struct{ Command string } `yaml:"slash_commands"`
		}
		OAuth struct {
			Scopes struct{ Bot []string }
		} `yaml:"oauth_config"`
		Settings struct {
			Events struct {
				Bot []string `yaml:"bot_events"`
			} `yaml:"event_subscriptions"`
			Interactivity struct {
				Enabled bool `yaml:"is_enabled"`
			}
			SocketMode bool `yaml:"socket_mode_enabled"`
		}
	}
	parts := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	i := slices.IndexFunc(parts, func(p [][]byte) bool { return regexp.MustCompile(`(?m)^display_information:`).Match(p[1]) })
	if i < 0 {
		t.Fatal("docs/slack.md has no manifest")
	}
	if err := yaml.Unmarshal(parts[i][1], &manifest); err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, s := range scopes {
		used = append(used, s.name)
	}
	granted := manifest.OAuth.Scopes.Bot
	for _, s := range used {
		if !slices.Contains(granted, s) {
			t.Errorf("the manifest lacks the scope %s", s)
		}
	}
	for _, s := range granted {
		// extra.slack may name another sender.
		if !slices.Contains(used, s) && s != "chat:write.customize" {
			t.Errorf("the scope %s of the manifest is not used", s)
		}
	}
	for _, e := range []string{"app_mention", "message.channels", "message.groups", "message.im"} {
		if !slices.Contains(manifest.Settings.Events.Bot, e) {
			t.Errorf("the manifest lacks the event %s", e)
		}
	}
	if !manifest.Settings.SocketMode || !manifest.Settings.Interactivity.Enabled || len(manifest.Features.SlashCommands) != 1 {
		t.Errorf("the manifest is %+v", manifest)
	}
}
