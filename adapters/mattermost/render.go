package mattermost

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// rendered is a message as a post has it.
type rendered struct {
	text  string
	props model.StringInterface
	files []adapters.File
}

// keyProp is the property of a post that holds the name of what it says, so that
// it is found again when the answer to the post was lost.
const keyProp = "petrel_key"

var stateSigns = map[adapters.State]string{
	adapters.StateWorking:   ":hourglass_flowing_sand: ",
	adapters.StateSucceeded: ":white_check_mark: ",
	adapters.StateFailed:    ":x: ",
	adapters.StateRefused:   ":no_entry_sign: ",
	adapters.StateAsking:    ":question: ",
}

// cutNote stands between the head and the tail of a text that was too long.
const cutNote = "_… the middle is left out; the attached file has all of it …_"

// cutNoteAlone is for an edit, which cannot add a file.
const cutNoteAlone = "_… the middle is left out …_"

// render makes a post of a message. edit says that it replaces one, so that no
// file can be added.
func (a *Adapter) render(ctx context.Context, m adapters.Message, l limits, edit bool) (rendered, error) {
	r := rendered{props: model.StringInterface{}}
	if m.Key != "" {
		r.props[keyProp] = digest(m.Key)
	}
	extra, err := extraOf(m)
	if err != nil {
		return r, err
	}
	if !edit {
		r.files = m.Files
	}
	lead := stateSigns[m.State]
	if m.Mention != "" && m.To.Private == "" {
		if u, err := a.user(ctx, m.Mention); err == nil {
			lead = "@" + u.Name + " " + lead
		} else {
			a.log.Warn("who is to be addressed is not known", "user", m.Mention, "error", err)
		}
	}
	body := a.fit(&r, m, l, len([]rune(lead)), edit)
	attachments := []any{}
	last := map[string]any{} // where the buttons go
	switch given, own := extra["attachments"].([]any); {
	case own: // as StackStorm has it: they are the message
		attachments, body = given, ""
	case len(extra) > 0 || colour(m.Color) != "":
		last = map[string]any{"text": body, "fallback": markup.Shorten(unping(markup.OneLine(plain(m.Blocks))), 200), "color": colour(m.Color)}
		maps.Copy(last, extra)
		attachments, body = []any{last}, ""
	}
	if actions := a.actions(m); len(actions) > 0 {
		if len(last) == 0 {
			attachments = append(attachments, last)
		}
		all, _ := last["actions"].([]any) // of the author
		for _, act := range actions {
			all = append(all, act)
		}
		last["actions"] = all
	}
	if len(attachments) > 0 || edit {
		r.props[model.PostPropsAttachments] = attachments
	}
	if strings.HasPrefix(body, "```") && lead != "" {
		lead = strings.TrimSuffix(lead, " ") + "\n"
	}
	r.text = strings.TrimSuffix(lead+body, " ")
	return r, nil
}

// fit renders the text, cut when the server would refuse it as too long; then
// the whole becomes a file.
func (a *Adapter) fit(r *rendered, m adapters.Message, l limits, taken int, edit bool) string {
	body := blocks(m.Blocks)
	var notes []string
	r.files = slices.Clone(r.files)
	add := func() bool { return l.files && !edit && m.To.Private == "" }
	r.files = slices.DeleteFunc(r.files, func(f adapters.File) bool {
		switch {
		case !l.files:
			notes = append(notes, fmt.Sprintf("(%s cannot be attached: this server takes no files)", dialect.Plain(f.Name)))
		case len(f.Content) > l.file:
			notes = append(notes, fmt.Sprintf("(%s cannot be attached: it has %d bytes, this server takes %d)", dialect.Plain(f.Name), len(f.Content), l.file))
		default:
			return false
		}
		return true
	})
	suffix := ""
	if len(notes) > 0 {
		suffix = "\n" + strings.Join(notes, "\n")
	}
	note := cutNoteAlone
	if add() {
		note = cutNote
	}
	short, whole := cut(body, l.text-taken-utf8.RuneCountInString(suffix), note)
	if !whole && add() {
		r.files = append([]adapters.File{{Name: "message.txt", Content: []byte(plain(m.Blocks))}}, r.files...)
	}
	return short + suffix
}

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// colour returns what the server takes as a colour.
func colour(s string) string {
	if hexColour.MatchString(s) || s == "good" || s == "warning" || s == "danger" {
		return s
	}
	return ""
}

// extraOf reads extra.mattermost: the fields of an attachment, or a whole list of
// them under "attachments". It can call nobody.
func extraOf(m adapters.Message) (map[string]any, error) {
	raw := bytes.TrimSpace(m.Extra["mattermost"])
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var extra map[string]any
	if err := json.Unmarshal(raw, &extra); err != nil {
		return nil, fmt.Errorf("extra.mattermost must be an object such as {\"title\": \"Deployment\"}: %w", err)
	}
	if c, ok := extra["color"].(string); ok && colour(c) == "" {
		delete(extra, "color")
	}
	return defuse("", extra).(map[string]any), nil
}

// defuse breaks up the mentions in all texts of a value, but not in addresses.
func defuse(key string, v any) any {
	switch v := v.(type) {
	case string:
		if strings.HasSuffix(key, "url") || strings.HasSuffix(key, "link") || strings.HasSuffix(key, "icon") {
			return v
		}
		return unping(markup.Clean(v))
	case map[string]any:
		for k, inner := range v {
			if k != "integration" && k != "id" {
				v[k] = defuse(k, inner)
			}
		}
	case []any:
		for i, inner := range v {
			v[i] = defuse(key, inner)
		}
	}
	return v
}

var styles = map[string]string{"primary": "primary", "danger": "danger"}

// actions makes the buttons and selects of a message. Mattermost wraps as many
// as there are.
func (a *Adapter) actions(m adapters.Message) []*model.PostAction {
	var all []*model.PostAction
	for i, s := range m.Selects {
		act := &model.PostAction{
			Id: "select" + strconv.Itoa(i), Type: model.PostActionTypeSelect, Name: label(s.Label),
			Integration: &model.PostActionIntegration{URL: a.callback + "/action", Context: map[string]any{"id": s.ID, "mark": a.seal.mark("select", s.ID)}},
		}
		for _, o := range s.Options {
			act.Options = append(act.Options, &model.PostActionOptions{Text: label(cmp.Or(o.Label, o.Value)), Value: o.Value + "." + a.seal.mark("option", s.ID, o.Value)})
		}
		if len(act.Options) > 0 { // the server refuses an empty one
			all = append(all, act)
		}
	}
	for i, b := range m.Buttons {
		given := map[string]any{"id": b.ID, "mark": a.seal.mark("button", b.ID, b.Confirm)}
		if b.Confirm != "" {
			given["confirm"], given["label"] = b.Confirm, b.Label
		}
		all = append(all, &model.PostAction{
			Id: "button" + strconv.Itoa(i), Type: model.PostActionTypeButton, Name: label(b.Label), Style: styles[b.Style],
			Integration: &model.PostActionIntegration{URL: a.callback + "/action", Context: given},
		})
	}
	return all
}

// label is what stands on a button.
func label(s string) string {
	return cmp.Or(markup.Shorten(markup.OneLine(s), 75), "…")
}

// fileName is a name that every server takes.
func fileName(s string) string {
	return cmp.Or(markup.OneLine(path.Base(strings.ReplaceAll(s, `\`, "/"))), "file.txt")
}
