package redis

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"petrel/store"
)

// address is a parsed URL.
type address struct {
	url          *url.URL // without our own parameters
	prefix       string
	waitReplicas int
	sentinel     bool
	cluster      bool
}

func parseAddress(raw string) (address, error) {
	fail := func(err error) (address, error) {
		return address{}, fmt.Errorf("redis URL: %w: %w", err, store.ErrInvalid)
	}
	u, err := url.Parse(raw)
	if err != nil {
		var shown *url.Error // its text holds the URL, and with it the password
		if errors.As(err, &shown) {
			err = shown.Err
		}
		return fail(err)
	}
	q := u.Query()
	a := address{url: u, prefix: "petrel", sentinel: q.Has("master_name")}
	if q.Has("prefix") {
		a.prefix = q.Get("prefix")
	}
	if a.prefix == "" || strings.ContainsAny(a.prefix, "{}") {
		return fail(fmt.Errorf("prefix %q: want a word without braces", a.prefix))
	}
	if s := q.Get("wait_replicas"); s != "" {
		if a.waitReplicas, err = strconv.Atoi(s); err != nil || a.waitReplicas < 0 {
			return fail(fmt.Errorf("wait_replicas=%q: want a number", s))
		}
	}
	if s := q.Get("cluster"); s != "" {
		if a.cluster, err = strconv.ParseBool(s); err != nil {
			return fail(fmt.Errorf("cluster=%q: want true or false", s))
		}
	}
	if a.cluster && (a.waitReplicas > 0 || a.sentinel) {
		return fail(fmt.Errorf("cluster=true goes with neither wait_replicas nor master_name"))
	}
	for _, own := range []string{"prefix", "wait_replicas", "cluster"} {
		q.Del(own)
	}
	u.RawQuery = q.Encode()
	if _, err := a.options(); err != nil {
		return fail(err)
	}
	return a, nil
}

// String is the address without its password.
func (a address) String() string { return a.url.Redacted() }

// options reads the URL the way go-redis does.
func (a address) options() (any, error) {
	switch {
	case a.cluster:
		return redis.ParseClusterURL(a.url.String())
	case a.sentinel:
		return redis.ParseFailoverURL(a.url.String())
	}
	return redis.ParseURL(a.url.String())
}

type clientOptions struct {
	blocking bool // for the bell only: few connections
}

// client connects, lazily. Retrying is this package's own matter, since it has to
// know whether a command may have been carried out.
func (a address) client(c clientOptions) redis.UniversalClient {
	opts, _ := a.options() // parseAddress has seen that it is right
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	pool := func(size *int, dial, read, write *time.Duration) {
		if c.blocking {
			*size = 2
		} else if *size == 0 {
			*size = 16
		}
		for d, fallback := range map[*time.Duration]time.Duration{dial: 3 * time.Second, read: 5 * time.Second, write: 5 * time.Second} {
			if *d == 0 {
				*d = fallback
			}
		}
	}
	switch o := opts.(type) {
	case *redis.ClusterOptions:
		pool(&o.PoolSize, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
		o.ContextTimeoutEnabled, o.MaxRetries, o.Protocol, o.MaintNotificationsConfig = true, -1, 2, quiet
		return redis.NewClusterClient(o)
	case *redis.FailoverOptions:
		pool(&o.PoolSize, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
		o.ContextTimeoutEnabled, o.MaxRetries, o.Protocol = true, -1, 2
		return redis.NewFailoverClient(o)
	}
	o := opts.(*redis.Options)
	pool(&o.PoolSize, &o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	o.ContextTimeoutEnabled, o.MaxRetries, o.DialerRetries, o.Protocol, o.MaintNotificationsConfig = true, -1, 1, 2, quiet
	return redis.NewClient(o)
}

// segment makes a name fit to stand between colons in a key.
func segment(name string) string {
	if !strings.ContainsAny(name, ":%") {
		return name
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "%", "%25"), ":", "%3A")
}
