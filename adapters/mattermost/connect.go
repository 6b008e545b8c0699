package mattermost

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
)

// silence is how many heartbeats without a sign of life make a connection dead.
const silence = 3

// longestPause is the longest pause between two tries to connect.
const longestPause = time.Minute

// Run implements adapters.Adapter.
func (a *Adapter) Run(ctx context.Context, h adapters.Handler) error {
	if err := a.gate.open(ctx, h); err != nil {
		return err
	}
	defer a.http.CloseIdleConnections()
	defer a.gate.close()
	ears := &ears{a: a, handler: h, seen: newRecent[bool](8192), marks: map[string]int64{}}
	defer ears.lanes.all.Wait()
	pause := a.reconnect
	for {
		connected, err := ears.session(ctx)
		if ctx.Err() != nil {
			a.setHealth(false, "stopped")
			return nil
		}
		a.setHealth(false, err.Error())
		var refused *refusedError
		if errors.As(err, &refused) {
			return err
		}
		if connected {
			pause = a.reconnect
		}
		delay := pause/2 + rand.N(pause/2+1)
		var retry *adapters.RetryError
		if errors.As(err, &retry) {
			delay = max(delay, retry.After)
		}
		a.log.Warn("the connection to Mattermost is lost; connecting again", "error", err, "in", delay)
		if !sleep(ctx, delay) {
			a.setHealth(false, "stopped")
			return nil
		}
		pause = min(2*pause, longestPause)
	}
}

// sleep waits; it reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// session holds one connection until it is lost. connected reports whether
// there was one. It always returns an error.
func (e *ears) session(ctx context.Context) (connected bool, _ error) {
	a := e.a
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	asked, end := context.WithTimeout(ctx, 20*time.Second)
	_, resp, err := a.askMe(asked)
	if err == nil {
		a.readLimits(asked)
	}
	end()
	if err != nil {
		return false, err
	}
	e.begin(serverTime(resp))
	ws, err := e.dial(ctx)
	if err != nil {
		return false, fmt.Errorf("connect to %s: %w", a.base, err)
	}
	// Close of the library can panic while a ping is being answered; closing the
	// connection under it ends its goroutines in order.
	stop := context.AfterFunc(ctx, func() { ws.Conn.Close() })
	defer func() {
		stop()
		ws.Conn.Close()
		for range ws.EventChannel { // its end is the end of the reader
		}
		for range ws.ResponseChannel {
		}
	}()
	a.setHealth(true, "")
	a.log.Info("connected to Mattermost", "url", a.base, "resumed", e.connection != "")
	return true, e.listen(ctx, ws)
}

// serverTime is the server's clock, by the head of an answer.
func serverTime(resp *model.Response) time.Time {
	if resp != nil {
		if t, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			return t
		}
	}
	return time.Now()
}

// dial opens the socket, asking for the events that follow the last one heard.
func (e *ears) dial(ctx context.Context) (*model.WebSocketClient, error) {
	a := e.a
	var d net.Dialer
	d.Timeout = 10 * time.Second
	dialer := &websocket.Dialer{
		Proxy: http.ProxyFromEnvironment, HandshakeTimeout: 15 * time.Second,
		// The library dials without a context.
		NetDialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			conn, err := d.DialContext(ctx, network, addr)
			if err == nil {
				context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		},
	}
	address := "ws" + strings.TrimPrefix(a.base, "http")
	ws, err := model.NewReliableWebSocketClientWithDialer(dialer, address, a.token, e.connection, int(e.next), true)
	if err != nil {
		return nil, err
	}
	answer := ws.Conn.PingHandler()
	ws.Conn.SetPingHandler(func(data string) error {
		a.alive()
		return answer(data)
	})
	ws.Conn.SetPongHandler(func(string) error {
		a.alive()
		return nil
	})
	ws.Listen()
	return ws, nil
}

// listen hears one connection out. All three channels of the library must be
// read, or its reader stands still for good.
func (e *ears) listen(ctx context.Context, ws *model.WebSocketClient) error {
	a := e.a
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beat := time.NewTicker(a.heartbeat)
	defer beat.Stop()
	filled := make(chan []*model.Post, 1)
	e.held = nil
	filling := false
	fill := func() {
		if e.gap && !filling {
			filling = true
			marks := maps.Clone(e.marks)
			go func() { filled <- e.missed(ctx, marks) }()
		}
	}
	defer func() {
		if filling {
			cancel()
			<-filled
		}
	}()
	if e.connection != "" {
		fill()
	}
	responses := ws.ResponseChannel
	for {
		select {
		case ev, open := <-ws.EventChannel:
			if !open {
				return lost(ws)
			}
			a.alive()
			if err := e.event(ev, filling); err != nil {
				return err
			}
			fill()
		case _, open := <-responses:
			if !open {
				responses = nil
			}
		case <-ws.PingTimeoutChannel:
			a.log.Debug("the server has not pinged for a while")
		case posts := <-filled:
			filling = false
			if posts == nil {
				return errors.New("what was missed could not be read")
			}
			e.caughtUp(posts)
		case <-beat.C:
			if quiet := time.Since(a.lastFrame()); quiet > silence*a.heartbeat {
				return fmt.Errorf("nothing was heard for %s", quiet.Round(time.Millisecond))
			}
			if err := ws.Conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(a.heartbeat)); err != nil {
				return fmt.Errorf("ping: %w", err)
			}
		}
	}
}

// lost says why a connection ended.
func lost(ws *model.WebSocketClient) error {
	if ws.ListenError != nil {
		return fmt.Errorf("the connection ended: %w", ws.ListenError)
	}
	return errors.New("the server closed the connection")
}
