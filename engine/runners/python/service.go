//go:build unix

package python

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"petrel/engine"
)

// Datastore is what actions reach through action_service: the items of scope
// system. It is asked on behalf of an execution, and decides what that may see.
type Datastore interface {
	// List returns items whose names begin with prefix, ordered by name; limit 0
	// means as many as one page has.
	List(ctx context.Context, asker *engine.Execution, prefix string, limit, offset int) ([]Item, error)
	// Get returns an item, nil when there is none. The value of a secret one is
	// its plain text only with decrypt.
	Get(ctx context.Context, asker *engine.Execution, name string, decrypt bool) (*Item, error)
	// Set stores a text, for ever when ttl is 0.
	Set(ctx context.Context, asker *engine.Execution, name, text string, ttl time.Duration, encrypt bool) error
	// Delete removes an item and tells whether it was there.
	Delete(ctx context.Context, asker *engine.Execution, name string) (bool, error)
	// User tells who an execution runs for, as StackStorm's API does.
	User(ctx context.Context, asker *engine.Execution) (json.RawMessage, error)
}

// Item is one item of the datastore.
type Item struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	Secret    bool   `json:"secret"`
	Encrypted bool   `json:"encrypted"` // Value is not the plain text
	Expires   string `json:"expire_timestamp,omitempty"`
}

// ErrNoDatastore is what action_service says in a program without a datastore.
var ErrNoDatastore = errors.New("this Petrel has no datastore yet: values can be neither read nor stored")

// maxQuestion is how long a question may be: a value of the datastore and a bit.
const maxQuestion = 16 << 20

// answer opens the socket of action_service for one execution. theirs is the end
// of the action. done ends the service and waits for it.
func answer(ctx context.Context, d Datastore, asker *engine.Execution) (theirs *os.File, done func(), err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open the socket of action_service: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "action_service")
	ours := os.NewFile(uintptr(fds[0]), "action_service")
	conn, err := net.FileConn(ours) // a copy
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("open the socket of action_service: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var serving sync.WaitGroup
	serving.Go(func() { serve(ctx, conn, d, asker) })
	return theirs, func() {
		cancel()
		conn.Close()
		serving.Wait()
	}, nil
}

// question is one line from the action, see petrel_python/service.py.
type question struct {
	Method    string
	Arguments struct {
		Name, Prefix, Value string
		Limit, Offset       int
		TTL                 float64 // seconds
		Decrypt, Encrypt    bool
	}
}

type reply struct {
	Result      any    `json:"result"`
	Error       string `json:"error,omitempty"`
	Unavailable bool   `json:"unavailable,omitempty"`
}

// serve answers until the action is gone.
func serve(ctx context.Context, conn net.Conn, d Datastore, asker *engine.Execution) {
	lines := bufio.NewReader(conn)
	for {
		line, err := readLine(lines)
		if err != nil {
			return
		}
		if _, err := conn.Write(append(Answer(ctx, d, asker, line), '\n')); err != nil {
			return
		}
	}
}

// Answer answers one question about the datastore, a line of JSON.
func Answer(ctx context.Context, d Datastore, asker *engine.Execution, line []byte) []byte {
	var q question
	var r reply
	err := json.Unmarshal(line, &q)
	if err != nil {
		r.Error = "the question cannot be read: " + err.Error()
	} else if r.Result, err = ask(ctx, d, asker, q); err != nil {
		r = reply{Error: err.Error(), Unavailable: errors.Is(err, ErrNoDatastore)}
	}
	body, err := json.Marshal(r)
	if err != nil {
		body, _ = json.Marshal(reply{Error: err.Error()}) // a text always encodes
	}
	return body
}

// readLine reads one line of at most maxQuestion bytes.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line bytes.Buffer
	for {
		part, err := r.ReadSlice('\n')
		line.Write(part)
		if line.Len() > maxQuestion {
			return nil, errors.New("the question is too long")
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line.Bytes(), err
		}
	}
}

func ask(ctx context.Context, d Datastore, asker *engine.Execution, q question) (any, error) {
	a := q.Arguments
	if d == nil {
		if q.Method == "get_user_info" {
			return userOf(asker), nil
		}
		return nil, ErrNoDatastore
	}
	switch q.Method {
	case "get_user_info":
		return d.User(ctx, asker)
	case "list_values":
		items, err := d.List(ctx, asker, a.Prefix, a.Limit, a.Offset)
		if items == nil {
			items = []Item{}
		}
		return items, err
	case "get_value":
		item, err := d.Get(ctx, asker, a.Name, a.Decrypt)
		if item == nil || err != nil {
			return nil, err
		}
		return item.Value, nil
	case "set_value":
		return true, d.Set(ctx, asker, a.Name, a.Value, time.Duration(a.TTL*float64(time.Second)), a.Encrypt)
	case "delete_value":
		return d.Delete(ctx, asker, a.Name)
	}
	return nil, fmt.Errorf("action_service has no method %q", q.Method)
}

// userOf is what is known of a user without any accounts.
func userOf(e *engine.Execution) any {
	name := ""
	if e != nil {
		name = e.Context.User
	}
	return map[string]any{
		"username":       name,
		"authentication": map[string]any{"method": "execution", "location": "action_service", "token_expire": nil},
		"rbac":           map[string]any{"enabled": false, "roles": []string{}, "is_admin": false},
	}
}
