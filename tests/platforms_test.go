//go:build !nomattermost

package tests

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"petrel/adapters"
	"petrel/adapters/discord"
	"petrel/adapters/mattermost"
	"petrel/adapters/slack"
	"petrel/adapters/terminal"
)

// TestPlatformTable holds the table of docs/platforms.md to what the adapters
// declare. Cells that depend on the server ("when ...", "the server's limit") are
// left out.
func TestPlatformTable(t *testing.T) {
	s, err := slack.New(slack.Options{BotToken: "xoxb-1", AppToken: "xapp-1"})
	if err != nil {
		t.Fatal(err)
	}
	d, err := discord.New(discord.Options{Token: "x"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := mattermost.New(mattermost.Options{URL: "http://127.0.0.1:9", Token: "x"})
	if err != nil {
		t.Fatal(err)
	}
	columns := []adapters.Adapter{terminal.New(terminal.Options{}), s, m, d}
	page, err := os.ReadFile("../docs/platforms.md")
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]func(adapters.Capabilities) bool{
		"answers in threads":           func(c adapters.Capabilities) bool { return c.Threads },
		"messages are edited":          func(c adapters.Capabilities) bool { return c.Edit },
		"buttons":                      func(c adapters.Capabilities) bool { return c.Buttons },
		"lists to choose from":         func(c adapters.Capabilities) bool { return c.Selects },
		"forms":                        func(c adapters.Capabilities) bool { return c.Forms },
		"messages for one person":      func(c adapters.Capabilities) bool { return c.Ephemeral },
		"such messages are edited":     func(c adapters.Capabilities) bool { return c.EditPrivate },
		"files":                        func(c adapters.Capabilities) bool { return c.Files },
		"slash commands":               func(c adapters.Capabilities) bool { return c.Commands },
		"least time between two edits": nil, "largest file": nil, "longest message": nil,
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		check, known := has[cells[0]]
		if !known || len(cells) != 5 {
			continue
		}
		rows++
		for i, a := range columns {
			can, cell := a.Capabilities(), cells[i+1]
			if strings.HasPrefix(cell, "when ") || strings.HasPrefix(cell, "the server") {
				continue
			}
			want := cell
			switch cells[0] {
			case "least time between two edits":
				want = strconv.FormatFloat(float64(can.EditEvery)/1000, 'f', -1, 64) + " s"
			case "largest file":
				want = fmt.Sprintf("%d MiB", can.MaxFile>>20)
				if can.MaxFile >= 1<<30 {
					want = fmt.Sprintf("%d GiB", can.MaxFile>>30)
				}
			case "longest message":
				want = fmt.Sprintf("%d,%03d characters", can.MaxText/1000, can.MaxText%1000)
			default:
				if check(can) == (cell == "no") {
					t.Errorf("%s, %s: the page says %q, the adapter %t", a.Name(), cells[0], cell, check(can))
				}
				continue
			}
			if want != cell {
				t.Errorf("%s, %s: the page says %q, the adapter %q", a.Name(), cells[0], cell, want)
			}
		}
	}
	if rows != len(has) {
		t.Errorf("%d rows of %d are in the page", rows, len(has))
	}
}
