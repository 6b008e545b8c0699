package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"petrel/store"
	"petrel/store/internal/codec"
)

// fetch reads one string value; redis.Nil becomes ErrNotFound.
func (b *Backend) fetch(ctx context.Context, args ...any) (string, error) {
	for attempt := 0; ; attempt++ {
		cmd := redis.NewStringCmd(context.Background(), args...)
		err := b.pipes.do(ctx, &command{cmd: cmd})
		switch {
		case errors.Is(err, redis.Nil):
			b.state.up()
			return "", store.ErrNotFound
		case err == nil:
			b.state.up()
			return cmd.Val(), nil
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return "", err
		case judge(err) != doubtful || attempt == 2:
			return "", b.translate(err)
		}
	}
}

// Get implements store.Backend.
func (b *Backend) Get(ctx context.Context, collection, id string) (store.Record, error) {
	fail := func(err error) (store.Record, error) {
		return store.Record{}, fmt.Errorf("get %s/%s: %w", collection, id, err)
	}
	raw, err := b.fetch(ctx, "hget", b.prefix+"d:"+segment(collection), id)
	if err != nil {
		return fail(err)
	}
	rec, err := parseRecord(id, raw)
	if err != nil {
		return fail(err)
	}
	return rec, nil
}

// Blob implements store.Backend.
func (b *Backend) Blob(ctx context.Context, id string) ([]byte, error) {
	raw, err := b.fetch(ctx, "get", b.prefix+"x:"+id)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", id, err)
	}
	body, err := unpack(raw)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", id, err)
	}
	return body, nil
}

// parseRecord reads revision:body, or a revision alone.
func parseRecord(id, raw string) (store.Record, error) {
	number, packed, whole := strings.Cut(raw, ":")
	rev, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return store.Record{}, fmt.Errorf("revision of %s: %w", id, err)
	}
	rec := store.Record{ID: id, Rev: rev}
	if whole {
		if rec.Body, err = unpack(packed); err != nil {
			return store.Record{}, fmt.Errorf("body of %s: %w", id, err)
		}
	}
	return rec, nil
}

// span is what part of which ordered set a query reads.
type span struct {
	key, low, high string
}

func spanOf(q store.Query) (span, error) {
	s := span{key: "a:" + segment(q.Collection), low: "-", high: "+"}
	if q.Index != "" {
		s.key = "i:" + segment(q.Collection) + ":" + segment(q.Index) + ":" + q.Value
	}
	if q.From != "" {
		s.low = "[" + q.From
	}
	if q.To != "" {
		s.high = "(" + q.To
	}
	if q.After == "" {
		return s, nil
	}
	sort, id, err := codec.ParseCursor(q.After)
	if err != nil {
		return s, err
	}
	place := "(" + id
	if q.Index != "" {
		place = "(" + sort + "\x00" + id
	}
	if q.Desc {
		s.high = place
	} else {
		s.low = place
	}
	return s, nil
}

// Query implements store.Backend.
func (b *Backend) Query(ctx context.Context, q store.Query) (store.Page, error) {
	fail := func(err error) (store.Page, error) {
		return store.Page{}, fmt.Errorf("query %s by %s: %w", q.Collection, q.Index, err)
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	s, err := spanOf(q)
	if err != nil {
		return fail(err)
	}
	reply, err := b.again(ctx, queryScript, segment(q.Collection), s.key, s.low, s.high, flag(q.Desc), q.Limit+1, flag(q.IDsOnly))
	if err != nil {
		return fail(err)
	}
	list, _ := reply.([]any)
	var page store.Page
	var sort string
	for i := 0; i+1 < len(list); i += 2 {
		if len(page.Records) == q.Limit {
			page.Next = codec.Cursor(sort, page.Records[q.Limit-1].ID)
			break
		}
		member, _ := list[i].(string)
		raw, ok := list[i+1].(string)
		if !ok {
			return fail(fmt.Errorf("%q is in the index and has no document", member))
		}
		id := member
		if q.Index != "" {
			at := strings.LastIndexByte(member, 0)
			sort, id = member[:max(0, at)], member[at+1:]
		}
		rec, err := parseRecord(id, raw)
		if err != nil {
			return fail(err)
		}
		page.Records = append(page.Records, rec)
	}
	return page, nil
}

// Count implements store.Backend.
func (b *Backend) Count(ctx context.Context, q store.Query) (int, error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("count %s by %s: %w", q.Collection, q.Index, err) }
	q.After = ""
	s, err := spanOf(q)
	if err != nil {
		return fail(err)
	}
	for attempt := 0; ; attempt++ {
		cmd := redis.NewIntCmd(context.Background(), "zlexcount", b.prefix+s.key, s.low, s.high)
		err := b.pipes.do(ctx, &command{cmd: cmd})
		if judge(err) == doubtful && attempt < 2 && ctx.Err() == nil {
			continue
		}
		if err != nil {
			if ctx.Err() == nil {
				err = b.translate(err)
			}
			return fail(err)
		}
		return int(cmd.Val()), nil
	}
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

// Events implements store.Backend.
func (b *Backend) Events(ctx context.Context, after uint64, limit int) ([]store.Event, error) {
	if limit < 1 {
		return nil, fmt.Errorf("events: at most %d: %w", limit, store.ErrInvalid)
	}
	nap := time.NewTimer(lookAgain)
	defer nap.Stop()
	for {
		rung := b.bell.events()
		entries, err := b.entries(ctx, after, limit)
		var more any
		if err == nil && len(entries) == 0 {
			// In the same moment the script notes that somebody waits.
			more, err = b.again(ctx, eventsScript, after)
		}
		if err != nil {
			return nil, fmt.Errorf("events after %d: %w", after, err)
		}
		if len(entries) > 0 {
			events, err := parseEvents(entries, after, limit)
			if err != nil {
				return nil, fmt.Errorf("events after %d: %w", after, err)
			}
			return events, nil
		}
		if more == int64(1) {
			continue
		}
		nap.Reset(lookAgain)
		select {
		case <-rung:
		case <-nap.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.closing.Done():
			return nil, store.ErrClosed
		}
	}
}

// entriesMost is how many entries of the event log are read at once; one has many
// events when there is much to tell.
const entriesMost = 128

// entries reads the event log from the first entry that has an event after a
// number.
func (b *Backend) entries(ctx context.Context, after uint64, limit int) ([]any, error) {
	for attempt := 0; ; attempt++ {
		cmd := redis.NewCmd(context.Background(), "xrange", b.prefix+"ev",
			strconv.FormatUint(after+1, 10)+"-0", "+", "count", min(limit, entriesMost))
		err := b.pipes.do(ctx, &command{cmd: cmd})
		if judge(err) == doubtful && attempt < 2 && ctx.Err() == nil {
			continue
		}
		if err != nil && ctx.Err() == nil {
			err = b.translate(err)
		}
		list, _ := cmd.Val().([]any)
		return list, err
	}
}

// LastEvent implements store.Backend.
func (b *Backend) LastEvent(ctx context.Context) (uint64, error) {
	raw, err := b.fetch(ctx, "get", b.prefix+"evseq")
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("last event: %w", err)
	}
	return strconv.ParseUint(raw, 10, 64)
}
