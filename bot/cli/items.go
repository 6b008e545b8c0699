package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"petrel/bot/api"
	"petrel/bot/server"
	"petrel/config"
	"petrel/engine/datastore"
	"petrel/store/sqlite"
)

// item is one item in the form of the API.
type item struct {
	ID          string `json:"id"`
	UID         string `json:"uid"`
	Name        string `json:"name"`
	Value       string `json:"value"`
	Scope       string `json:"scope"`
	Secret      bool   `json:"secret"`
	Encrypted   bool   `json:"encrypted"`
	Description string `json:"description,omitempty"`
	User        string `json:"user,omitempty"`
	Expires     string `json:"expire_timestamp,omitempty"`
}

// itemStore is the datastore as the command line uses it: in a server or in the
// store itself.
type itemStore interface {
	get(ctx context.Context, k datastore.Key, decrypt bool) (item, error)
	list(ctx context.Context, f datastore.Filter, decrypt bool) ([]item, error)
	set(ctx context.Context, s datastore.Setting) (item, error)
	delete(ctx context.Context, k datastore.Key) error
	rotate(ctx context.Context, forget bool) (datastore.Rotated, error)
}

// openItems finds the datastore. A running server is asked first: it tells its
// rules of changes, and SQLite is its own.
func (a *app) openItems(ctx context.Context) (itemStore, func() error, error) {
	cfg, err := a.load(nil)
	if err != nil {
		return nil, nil, err
	}
	nothing := func() error { return nil }
	remote := remoteItems{cfg}
	answers := remote.answers(ctx)
	if _, local := cfg.SQLitePath(); answers && !local {
		return remote, nothing, nil
	}
	b, err := server.OpenStore(ctx, cfg, slog.New(slog.DiscardHandler))
	var used *sqlite.InUseError
	switch {
	case errors.As(err, &used) && answers:
		return remote, nothing, nil
	case errors.As(err, &used):
		return nil, nil, fmt.Errorf("%w, and no server answers at %s: is http.listen that of the running server?", err, cfg.HTTP.Listen)
	case err != nil:
		return nil, nil, err
	}
	items, err := server.OpenDatastore(cfg, b, datastore.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	return localItems{items}, b.Close, nil
}

// remoteItems asks a server.
type remoteItems struct{ cfg *config.Config }

// answers tells whether somebody answers at the server's address.
func (r remoteItems) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := call(ctx, r.cfg, http.MethodGet, "/healthz", nil)
	return err == nil
}

// ask sends a request about items and reads the answer into out.
func (r remoteItems) ask(ctx context.Context, method, path string, query url.Values, body, out any) error {
	path = "/api/v1/keys" + path
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	answer, err := call(ctx, r.cfg, method, path, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return nil
}

func query(scope datastore.Scope, user string) url.Values {
	q := url.Values{"scope": {string(scope)}}
	if user != "" {
		q.Set("user", user)
	}
	return q
}

func (r remoteItems) get(ctx context.Context, k datastore.Key, decrypt bool) (i item, err error) {
	q := query(k.Scope, k.User)
	q.Set("decrypt", strconv.FormatBool(decrypt))
	return i, r.ask(ctx, http.MethodGet, "/"+url.PathEscape(k.Name), q, nil, &i)
}

func (r remoteItems) list(ctx context.Context, f datastore.Filter, decrypt bool) (list []item, err error) {
	q := query(f.Scope, f.User)
	q.Set("decrypt", strconv.FormatBool(decrypt))
	q.Set("prefix", f.Prefix)
	if q.Set("limit", strconv.Itoa(f.Limit)); f.Limit == 0 {
		q.Set("limit", "-1")
	}
	return list, r.ask(ctx, http.MethodGet, "", q, nil, &list)
}

func (r remoteItems) set(ctx context.Context, s datastore.Setting) (i item, err error) {
	body := map[string]any{
		"name": s.Name, "value": s.Value, "scope": s.Scope, "user": s.User, "secret": s.Secret, "encrypted": s.Encrypted, "description": s.Description,
	}
	if s.TTL > 0 {
		body["ttl"] = s.TTL.Seconds()
	}
	return i, r.ask(ctx, http.MethodPut, "/"+url.PathEscape(s.Name), nil, body, &i)
}

func (r remoteItems) delete(ctx context.Context, k datastore.Key) error {
	return r.ask(ctx, http.MethodDelete, "/"+url.PathEscape(k.Name), query(k.Scope, k.User), nil, nil)
}

func (r remoteItems) rotate(ctx context.Context, forget bool) (done datastore.Rotated, err error) {
	return done, r.ask(ctx, http.MethodPost, "/rotate", nil, map[string]bool{"forget": forget}, &done)
}

// localItems works on the store.
type localItems struct{ items *datastore.Service }

func (l localItems) get(ctx context.Context, k datastore.Key, decrypt bool) (item, error) {
	i, err := l.items.Get(ctx, k)
	if err != nil {
		return item{}, err
	}
	return l.view(i, decrypt)
}

// view is the API form of an item.
func (l localItems) view(i datastore.Item, decrypt bool) (v item, err error) {
	body, err := json.Marshal(api.KeyView(i))
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err == nil && decrypt && i.Secret {
		v.Encrypted = false
		v.Value, err = l.items.Plain(i)
	}
	return v, err
}

func (l localItems) list(ctx context.Context, f datastore.Filter, decrypt bool) ([]item, error) {
	found, err := l.items.List(ctx, f)
	if err != nil {
		return nil, err
	}
	list := make([]item, len(found))
	for i := range found {
		if list[i], err = l.view(found[i], decrypt); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (l localItems) set(ctx context.Context, s datastore.Setting) (item, error) {
	i, err := l.items.Set(ctx, s)
	if err != nil {
		return item{}, err
	}
	return l.view(i, false)
}

func (l localItems) delete(ctx context.Context, k datastore.Key) error {
	_, err := l.items.Delete(ctx, k)
	return err
}

func (l localItems) rotate(ctx context.Context, forget bool) (datastore.Rotated, error) {
	return l.items.Rotate(ctx, forget)
}
