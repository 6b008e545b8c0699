package winrm

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/text/encoding/unicode"

	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

const (
	maxLine = 8191 // characters of a command line of cmd.exe
	// chunk is how much of a script is uploaded with one command line, in bytes:
	// encoded twice it has to fit into maxLine.
	chunk = 2048
)

// preamble keeps PowerShell from printing progress bars among the errors.
const preamble = "$ProgressPreference = 'SilentlyContinue';"

// encoded is the command line that runs a text of PowerShell.
func encoded(text string) string {
	wide, err := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().String(preamble + text)
	if err != nil { // every Go string can be encoded, what is no text as a mark
		wide = ""
	}
	return "powershell.exe -NoProfile -NonInteractive -EncodedCommand " + base64.StdEncoding.EncodeToString([]byte(wide))
}

// upload runs a text that is too long for a command line, from a file in a
// temporary folder of the machine, and removes that.
func (s *session) upload(ctx context.Context, text string, stdout, stderr io.Writer) (code int, err error) {
	var random [8]byte
	rand.Read(random[:])
	folder := `$env:TEMP\petrel-` + hex.EncodeToString(random[:])
	var said strings.Builder
	step := func(line string) error {
		code, err := s.execute(ctx, encoded(line), io.Discard, &said)
		if err == nil && code != 0 {
			err = fmt.Errorf("the script could not be brought to %s: %s", s.host, strings.TrimSpace(string(cleanErrors([]byte(said.String())))))
		}
		return err
	}
	if err := step(fmt.Sprintf(`New-Item -ItemType Directory -Path "%s" | Out-Null`, folder)); err != nil {
		return 0, err
	}
	defer func() {
		if ctx.Err() != nil {
			defer s.until(s.grace)()
		}
		remove := encoded(fmt.Sprintf(`Remove-Item -Recurse -Force -Path "%s"`, folder))
		if _, removeErr := s.execute(context.WithoutCancel(ctx), remove, io.Discard, io.Discard); err == nil && removeErr != nil {
			err = removeErr
		}
	}()
	// The mark at the beginning tells PowerShell that the file is UTF-8.
	for part := range slices.Chunk([]byte("\ufeff"+text), chunk) {
		line := fmt.Sprintf(`$f = [System.IO.File]::Open("%s\script.ps1", "Append"); $b = [System.Convert]::FromBase64String("%s"); $f.Write($b, 0, $b.Length); $f.Close()`,
			folder, base64.StdEncoding.EncodeToString(part))
		if err := step(line); err != nil {
			return 0, err
		}
	}
	return s.execute(ctx, encoded(fmt.Sprintf(`& "%s\script.ps1"; exit $LASTEXITCODE`, folder)), stdout, stderr)
}

// scriptArguments spells the arguments of a script: named ones, then those with a
// position, in its order.
func scriptArguments(job runners.Job, op string) (string, error) {
	positions := map[string]float64{}
	var schemas map[string]struct{ Position *float64 }
	if len(job.Action.Parameters) > 0 {
		if err := json.Unmarshal(job.Action.Parameters, &schemas); err != nil {
			return "", fmt.Errorf("parameters of action %s: %w", job.Action.Ref, err)
		}
	}
	var placed []string
	for name, s := range schemas {
		if s.Position != nil {
			positions[name] = *s.Position
			placed = append(placed, name)
		}
	}
	slices.SortFunc(placed, func(a, b string) int { return int(positions[a] - positions[b]) })
	var out strings.Builder
	for k, v := range job.Params.All() {
		name := value.Str(k)
		if _, ok := positions[name]; ok || v == nil {
			continue
		}
		switch v {
		case true:
			out.WriteString(" " + op + name)
		case false:
		default:
			out.WriteString(" " + op + name + " " + literal(v))
		}
	}
	for _, name := range placed {
		v, _ := job.Params.GetString(name)
		out.WriteString(" " + literal(v))
	}
	return out.String(), nil
}

var quoter = strings.NewReplacer("`", "``", `"`, "`\"", "$", "`$", "\x00", "`0", "\n", "`n", "\r", "`r", "\t", "`t",
	"\u201c", "`\u201c", "\u201d", "`\u201d", "\u201e", "`\u201e") // PowerShell takes these for quotes too

// literal spells a value in PowerShell.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "$null"
	case bool:
		if v {
			return "$true"
		}
		return "$false"
	case string:
		return `"` + quoter.Replace(v) + `"`
	case *value.List:
		var items []string
		for _, item := range v.Items {
			items = append(items, literal(item))
		}
		return "@(" + strings.Join(items, ", ") + ")"
	case *value.Dict:
		var items []string
		for k, item := range v.All() {
			items = append(items, literal(value.Str(k))+" = "+literal(item))
		}
		return "@{" + strings.Join(items, "; ") + "}"
	}
	return value.Str(v)
}

// cleanErrors makes text of the errors of PowerShell, which come as XML when
// nobody sits in front of it.
func cleanErrors(stderr []byte) []byte {
	text, ok := strings.CutPrefix(string(stderr), "#< CLIXML")
	if !ok {
		return stderr
	}
	var doc struct {
		S []struct {
			Kind string `xml:"S,attr"`
			Text string `xml:",chardata"`
		} `xml:"S"`
	}
	if err := xml.Unmarshal([]byte(strings.TrimSpace(text)), &doc); err != nil {
		return stderr
	}
	var out strings.Builder
	for _, s := range doc.S {
		if s.Kind == "Error" || s.Kind == "" {
			out.WriteString(strings.NewReplacer("_x000D_", "", "_x000A_", "\n", "_x001B_", "\x1b").Replace(s.Text))
		}
	}
	return []byte(out.String())
}
