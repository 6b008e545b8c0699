package prompt

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"petrel/adapters/terminal"
)

// download is a file that was asked for.
type download struct{ path string }

// save writes a file of the last message with files: "/save", "/save 2",
// "/save 2 notes.txt".
func (c *conversation) save(args string) {
	number, path, _ := strings.Cut(args, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		n, path = 1, args
	}
	i := -1
	for j, b := range slices.Backward(c.blocks) {
		if len(b.entry.Files) > 0 {
			i = j
			break
		}
	}
	if i < 0 {
		c.misunderstood("there is no file to save")
		return
	}
	e := c.blocks[i].entry
	if n < 1 || n > len(e.Files) {
		c.misunderstood(fmt.Sprintf("there is no file %d: 1 to %d", n, len(e.Files)))
		return
	}
	c.download(e, e.Files[n-1].Name, strings.TrimSpace(path))
}

// download asks for a file. An empty path means the folder for files.
func (c *conversation) download(e terminal.Entry, name, path string) {
	r := terminal.Request{Do: terminal.DoFile, Delivery: rand.Text(), As: c.me, ID: e.ID, Name: name}
	c.downloads[r.Delivery] = download{path}
	c.link.ask(r)
}

// arrived writes a file that was asked for.
func (c *conversation) arrived(f terminal.Frame) {
	d, mine := c.downloads[f.Delivery]
	if !mine {
		return
	}
	delete(c.downloads, f.Delivery)
	path, err := d.path, error(nil)
	if path == "" {
		path, err = freeName(cmp.Or(c.opt.Files, "."), terminal.FileName(f.Name))
	}
	if err == nil {
		err = writeNew(path, f.Content)
	}
	if err != nil {
		c.misunderstood(fmt.Sprintf("%s was not saved: %v", oneLine(f.Name), err))
		return
	}
	c.note(fmt.Sprintf("%s (%s) was saved as %s", oneLine(f.Name), sizeOf(len(f.Content)), path))
}

// freeName makes the folder and returns a path in it that is not taken yet.
func freeName(folder, name string) (string, error) {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	for n := 2; ; n++ {
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return path, nil
		} else if err != nil {
			return "", err
		}
		ext := filepath.Ext(name)
		path = filepath.Join(folder, strings.TrimSuffix(name, ext)+"-"+strconv.Itoa(n)+ext)
	}
}

// writeNew writes a file that is not there yet.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
