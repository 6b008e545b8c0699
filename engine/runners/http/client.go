package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	nethttp "net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"petrel/engine/expression/value"
)

// client makes a client for one request: with its own certificates' check,
// proxies and connections. It speaks HTTP/1.1.
func (r *request) client() (*nethttp.Client, error) {
	jar, err := cookiejar.New(nil) // for cookies that redirects set
	if err != nil {
		return nil, fmt.Errorf("make a cookie jar: %w", err)
	}
	return &nethttp.Client{
		Jar: jar,
		Transport: &nethttp.Transport{
			Proxy:           r.proxy,
			DialContext:     r.dial,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: !r.verify},
		},
		CheckRedirect: func(next *nethttp.Request, via []*nethttp.Request) error {
			switch {
			case !r.redirects:
				return nethttp.ErrUseLastResponse
			case len(via) > maxRedirects:
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if via[len(via)-1].URL.Scheme == "https" && next.URL.Scheme == "http" {
				next.Header.Del("Authorization") // not in the clear
			}
			return r.hosts.check(next.URL)
		},
	}, nil
}

// proxy is the proxy of the parameters, else that of the environment. It notes
// which address that is.
func (r *request) proxy(req *nethttp.Request) (u *url.URL, err error) {
	if u = r.proxies[req.URL.Scheme]; u == nil {
		u, err = nethttp.ProxyFromEnvironment(req)
	}
	if err != nil || u == nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	r.proxyAddresses.Store(net.JoinHostPort(u.Hostname(), port), true)
	return u, nil
}

// dial refuses addresses on the blacklist, so that another name of a host, or a
// name that resolves differently each time, does not pass it. Proxies are
// exempt: the list is about what is asked through them.
func (r *request) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	if _, isProxy := r.proxyAddresses.Load(address); !isProxy {
		d.Control = func(_, resolved string, _ syscall.RawConn) error {
			if at, err := netip.ParseAddrPort(resolved); err == nil {
				return r.hosts.checkAddress(at.Addr().Unmap())
			}
			return nil
		}
	}
	return d.DialContext(ctx, network, address)
}

// hostLists say which hosts may be asked.
type hostLists struct{ black, white []string }

func readHostLists(params *value.Dict) (l hostLists, err error) {
	if l.black, err = readHosts(params, "url_hosts_blacklist"); err != nil {
		return l, err
	}
	if l.white, err = readHosts(params, "url_hosts_whitelist"); err != nil {
		return l, err
	}
	if len(l.black) > 0 && len(l.white) > 0 {
		return l, errors.New("parameters url_hosts_blacklist and url_hosts_whitelist exclude each other: give one of them")
	}
	return l, nil
}

func readHosts(params *value.Dict, name string) ([]string, error) {
	v, _ := params.GetString(name)
	if v == nil {
		return nil, nil
	}
	list, ok := v.(*value.List)
	if !ok {
		return nil, fmt.Errorf("parameter %s must be a list of hosts, not %s", name, value.TypeName(v))
	}
	var hosts []string
	for _, h := range list.Items {
		hosts = append(hosts, canonicalHost(value.Str(h)))
	}
	return hosts, nil
}

// canonicalHost makes two spellings of a host equal: case, brackets and the dot
// at the end do not matter, nor how an IPv6 address is shortened.
func canonicalHost(h string) string {
	h = strings.ToLower(strings.TrimSuffix(strings.Trim(strings.TrimSpace(h), "[]"), "."))
	if a, err := netip.ParseAddr(h); err == nil {
		return a.Unmap().String()
	}
	return h
}

// check refuses a URL that the lists do not admit.
func (l hostLists) check(u *url.URL) error {
	host := canonicalHost(u.Hostname())
	if slices.Contains(l.black, host) {
		return fmt.Errorf("host %s is on url_hosts_blacklist", host)
	}
	if len(l.white) > 0 && !slices.Contains(l.white, host) {
		return fmt.Errorf("host %s is not on url_hosts_whitelist", host)
	}
	return nil
}

// checkAddress refuses an address that the blacklist names.
func (l hostLists) checkAddress(a netip.Addr) error {
	if slices.Contains(l.black, a.String()) {
		return fmt.Errorf("address %s is on url_hosts_blacklist", a)
	}
	return nil
}
