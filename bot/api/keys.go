package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"petrel/engine"
	"petrel/engine/datastore"
	"petrel/engine/pipeline"
)

// keyRoutes adds the datastore: /keys as StackStorm has it, and /keys/rotate.
// Names may hold slashes; a last one is not part of the name.
func (h *handler) keyRoutes(r chi.Router) {
	r.Get("/keys", h.listKeys)
	r.Get("/keys/*", h.getKey)
	r.Put("/keys/*", h.putKey)
	r.Delete("/keys/*", h.deleteKey)
	r.Post("/keys/rotate", h.rotateKeys)
}

// timeFormat is StackStorm's: UTC, six digits.
const timeFormat = "2006-01-02T15:04:05.000000Z"

// keyView is one item. Of a secret one the value is ciphertext, and Encrypted
// says so, unless it was asked for in plain.
type keyView struct {
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

// KeyView is the API form of an item, its value as it is stored.
func KeyView(i datastore.Item) any { return viewKey(i) }

func viewKey(i datastore.Item) keyView {
	v := keyView{
		ID: i.ID(), UID: i.UID(), Name: i.Name, Value: i.Value, Scope: "st2kv." + string(i.Scope),
		Secret: i.Secret, Encrypted: i.Secret, Description: i.Description, User: i.User,
	}
	if i.Expires != nil {
		v.Expires = i.Expires.UTC().Format(timeFormat)
	}
	return v
}

// show is the view of an item, in plain if that is asked for.
func (h *handler) show(r *http.Request, i datastore.Item, decrypt bool) (keyView, error) {
	v := viewKey(i)
	if !decrypt || !i.Secret {
		return v, nil
	}
	plain, err := h.Keys.Plain(i)
	if err != nil {
		return v, err
	}
	h.Logger.Info("secret item decrypted", "audit", true, "key", i.Name, "scope", i.Scope, "key_user", i.User, "remote", r.RemoteAddr)
	v.Value, v.Encrypted = plain, false
	return v, nil
}

// whose reads scope and user of a request; a user alone means the user's scope.
func whose(scope, user string) (datastore.Scope, string, error) {
	if scope == "" && user != "" {
		scope = string(datastore.User)
	}
	s, err := datastore.ParseScope(scope)
	switch {
	case err != nil:
		return "", "", err
	case s != datastore.User:
		user = ""
	case user == "":
		user = pipeline.SystemUser
	}
	return s, user, nil
}

// key is the item that the path and the query of a request name.
func key(r *http.Request) (datastore.Key, error) {
	q := r.URL.Query()
	scope, user, err := whose(q.Get("scope"), q.Get("user"))
	if err != nil {
		return datastore.Key{}, err
	}
	name := strings.TrimSuffix(chi.URLParam(r, "*"), "/")
	if r.URL.RawPath != "" {
		if name, err = url.PathUnescape(name); err != nil {
			return datastore.Key{}, engine.Errorf(engine.Invalid, "the name in the path cannot be read: %v", err)
		}
	}
	return datastore.Key{Scope: scope, User: user, Name: name}, nil
}

func (h *handler) listKeys(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	scope, user, err := whose(q.Get("scope"), q.Get("user"))
	f := datastore.Filter{Scope: scope, User: user, Prefix: q.Get("prefix")}
	if err == nil {
		f.Limit, err = number(q, "limit", 100)
	}
	if err == nil {
		f.Offset, err = number(q, "offset", 0)
	}
	if err != nil {
		h.fail(w, err)
		return
	}
	f.Limit = max(f.Limit, 0) // -1 means all
	items, err := h.Keys.List(r.Context(), f)
	if err != nil {
		h.fail(w, err)
		return
	}
	views := make([]keyView, len(items))
	for i, item := range items {
		if views[i], err = h.show(r, item, yes(q.Get("decrypt"))); err != nil {
			h.fail(w, err)
			return
		}
	}
	h.write(w, http.StatusOK, views)
}

func (h *handler) getKey(w http.ResponseWriter, r *http.Request) {
	k, err := key(r)
	if err != nil {
		h.fail(w, err)
		return
	}
	if k.Name == "" {
		h.listKeys(w, r)
		return
	}
	item, err := h.Keys.Get(r.Context(), k)
	if err != nil {
		h.fail(w, err)
		return
	}
	view, err := h.show(r, item, yes(r.URL.Query().Get("decrypt")))
	if err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, view)
}

// maxKeyBody bounds the body of a PUT: a value, written with escapes.
const maxKeyBody = 6*datastore.MaxValue + 64<<10

func (h *handler) putKey(w http.ResponseWriter, r *http.Request) {
	k, err := key(r)
	if err != nil {
		h.fail(w, err)
		return
	}
	var body struct {
		Value       *string  `json:"value"`
		Scope       string   `json:"scope"`
		User        string   `json:"user"`
		Description string   `json:"description"`
		Secret      bool     `json:"secret"`
		Encrypted   bool     `json:"encrypted"`
		TTL         *float64 `json:"ttl"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxKeyBody)).Decode(&body); err != nil {
		h.fail(w, engine.Errorf(engine.Invalid, "the body is no item of the datastore: %v", err))
		return
	}
	if body.Value == nil {
		h.fail(w, engine.Errorf(engine.Invalid, "value is missing; it is a text"))
		return
	}
	if body.Scope != "" || body.User != "" {
		if k.Scope, k.User, err = whose(body.Scope, body.User); err != nil {
			h.fail(w, err)
			return
		}
	}
	s := datastore.Setting{Key: k, Value: *body.Value, Secret: body.Secret, Encrypted: body.Encrypted, Description: body.Description}
	if body.TTL != nil && *body.TTL != 0 {
		if s.TTL = time.Duration(*body.TTL * float64(time.Second)); *body.TTL > math.MaxInt32 || s.TTL <= 0 {
			h.fail(w, engine.Errorf(engine.Invalid, "ttl %v is not a number of seconds from 1 to %d", *body.TTL, math.MaxInt32))
			return
		}
	}
	item, err := h.Keys.Set(r.Context(), s)
	if err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, viewKey(item))
}

func (h *handler) deleteKey(w http.ResponseWriter, r *http.Request) {
	k, err := key(r)
	if err == nil {
		_, err = h.Keys.Delete(r.Context(), k)
	}
	if err != nil {
		h.fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// rotateKeys encrypts all secret items with a new key: {forget?: bool}.
func (h *handler) rotateKeys(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Forget bool `json:"forget"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&body); err != nil {
		h.fail(w, engine.Errorf(engine.Invalid, "the body is not {\"forget\": true or false}: %v", err))
		return
	}
	done, err := h.Keys.Rotate(r.Context(), body.Forget)
	if err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, done)
}

// yes reads a flag of a query.
func yes(text string) bool {
	on, err := strconv.ParseBool(strings.ToLower(text))
	return err == nil && on
}

// number reads a whole number of a query.
func number(q url.Values, name string, otherwise int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < -1 {
		return 0, engine.Errorf(engine.Invalid, "%s", fmt.Sprintf("%s %q is not a whole number", name, text))
	}
	return n, nil
}
