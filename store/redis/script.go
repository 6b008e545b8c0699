package redis

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// script is a Lua script and the name under which the server keeps it.
type script struct {
	name, text, sha string
}

//go:embed lua/lib.lua
var libText string

//go:embed lua/commit.lua
var commitText string

//go:embed lua/lease.lua
var leaseText string

//go:embed lua/extend.lua
var extendText string

//go:embed lua/release.lua
var releaseText string

//go:embed lua/stats.lua
var statsText string

//go:embed lua/query.lua
var queryText string

//go:embed lua/events.lua
var eventsText string

//go:embed lua/lock.lua
var lockText string

//go:embed lua/unlock.lua
var unlockText string

//go:embed lua/sweep.lua
var sweepText string

// The scripts; none of these variables is ever changed.
var (
	commitScript  = newScript("commit", commitText)
	leaseScript   = newScript("lease", leaseText)
	extendScript  = newScript("extend", extendText)
	releaseScript = newScript("release", releaseText)
	statsScript   = newScript("stats", statsText)
	queryScript   = newScript("query", queryText)
	eventsScript  = newScript("events", eventsText)
	lockScript    = newScript("lock", lockText)
	unlockScript  = newScript("unlock", unlockText)
	sweepScript   = newScript("sweep", sweepText)
)

func allScripts() []*script {
	return []*script{
		commitScript, leaseScript, extendScript, releaseScript, statsScript,
		queryScript, eventsScript, lockScript, unlockScript, sweepScript,
	}
}

func newScript(name, body string) *script {
	text := libText + body
	sum := sha1.Sum([]byte(text)) // the server's own choice, no secret depends on it
	return &script{name: name, text: text, sha: hex.EncodeToString(sum[:])}
}

// loadScripts makes the server know all scripts. It forgets them when it
// restarts and when a replica takes over.
func (b *Backend) loadScripts(ctx context.Context) error {
	pipe := b.rdb.Pipeline()
	for _, s := range allScripts() {
		pipe.ScriptLoad(ctx, s.text)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("load scripts: %w", err)
	}
	return nil
}

// run executes a script and returns its reply. The error is as go-redis has it.
func (b *Backend) run(ctx context.Context, s *script, args ...any) (any, error) {
	size := 0
	full := make([]any, 0, 4+len(args))
	full = append(full, "evalsha", s.sha, 1, b.prefix)
	for _, a := range args {
		switch v := a.(type) {
		case string:
			size += len(v)
		case []byte:
			size += len(v)
		}
		full = append(full, a)
	}
	for attempt := 0; ; attempt++ {
		cmd := redis.NewCmd(context.Background(), full...)
		err := b.pipes.do(ctx, &command{cmd: cmd, size: size})
		reply := cmd.Val()
		if err != nil && attempt < 3 && hasCode(err, "NOSCRIPT") {
			if err := b.loadScripts(ctx); err != nil {
				return nil, err
			}
			continue
		}
		return reply, err
	}
}

// merge is the call of the commit script with some orders.
func (b *Backend) merge(orders []*order) *redis.Cmd {
	return redis.NewCmd(context.Background(), append([]any{"evalsha", commitScript.sha, 1, b.prefix}, b.dispatch(orders)...)...)
}
