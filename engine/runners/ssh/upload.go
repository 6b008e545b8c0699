package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"petrel/engine/runners/posix"
)

const removeLimit = 10 * time.Second

// upload is a script on its way to a host, with the folder lib of its pack. On
// the host it has a folder of its own.
type upload struct {
	local, lib  string // here; lib may not exist
	dir, script string // there
}

// newUpload places the script under dir/id. The id must be safe in a path.
func newUpload(local, lib, dir, id string) *upload {
	u := &upload{local: local, lib: lib, dir: path.Join(dir, id)}
	u.script = path.Join(u.dir, filepath.Base(local))
	return u
}

// copy copies the files.
func (u *upload) copy(ctx context.Context, conn *ssh.Client) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	release := context.AfterFunc(ctx, func() { conn.Close() })
	client, err := sftp.NewClient(conn)
	if !release() {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("start sftp: %w", err)
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	if err := client.MkdirAll(u.dir); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := u.put(client, u.local, u.script, 0o744); err != nil {
		return err
	}
	return filepath.WalkDir(u.lib, func(from string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && from == u.lib {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(u.lib, from)
		if err != nil {
			return err
		}
		to := path.Join(u.dir, "lib", filepath.ToSlash(rel))
		info, err := os.Stat(from) // links are copied as what they point to
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return client.MkdirAll(to)
		case info.Mode().IsRegular():
			return u.put(client, from, to, info.Mode().Perm())
		}
		return nil
	})
}

func (u *upload) put(client *sftp.Client, from, to string, mode fs.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := client.Create(to)
	if err != nil {
		return fmt.Errorf("create %s: %w", to, err)
	}
	_, err = io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = client.Chmod(to, mode)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	return nil
}

// remove removes the folder from the host. What a script left there with other
// rights stays.
func (u *upload) remove(conn *ssh.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), removeLimit)
	defer cancel()
	c := command{line: "rm -rf -- " + posix.Quote(u.dir), stdout: io.Discard, stderr: io.Discard}
	_, _ = c.run(ctx, conn, nil, 0)
}
