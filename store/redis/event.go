package redis

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"petrel/store"
)

// packEvents makes one piece of the events of a batch: of each its type, its key
// and its body, packed, with the length before it (unsigned varint).
func packEvents(events []store.Event) []byte {
	var out []byte
	for i := range events {
		e := &events[i]
		out = append(binary.AppendUvarint(out, uint64(len(e.Type))), e.Type...)
		out = append(binary.AppendUvarint(out, uint64(len(e.Key))), e.Key...)
		body := pack(e.Body, zipFrom)
		out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	return out
}

// unpackEvents is the inverse of packEvents.
func unpackEvents(piece string) ([]store.Event, error) {
	var out []store.Event
	for piece != "" {
		var parts [3]string
		for i := range parts {
			n, width := uvarint(piece)
			if width <= 0 || n > uint64(len(piece)-width) {
				return nil, errors.New("a piece of events is cut off")
			}
			parts[i], piece = piece[width:width+int(n)], piece[width+int(n):]
		}
		body, err := unpack(parts[2])
		if err != nil {
			return nil, err
		}
		out = append(out, store.Event{Type: parts[0], Key: parts[1], Body: body})
	}
	return out, nil
}

func uvarint(s string) (uint64, int) {
	return binary.Uvarint([]byte(s[:min(len(s), binary.MaxVarintLen64)]))
}

// parseEvents lists the events that entries of the log hold, those with a number
// above after and at most limit of them. An entry is its ID, which begins with the
// number of its last event, and its fields: names and values in turn.
func parseEvents(entries []any, after uint64, limit int) ([]store.Event, error) {
	var out []store.Event
	for _, raw := range entries {
		last, fields, ok := parseEntry(raw)
		if !ok {
			return nil, fmt.Errorf("unexpected entry %v", raw)
		}
		events, err := entryEvents(fields)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", last, err)
		}
		for i := range events {
			if seq := last - uint64(len(events)-1-i); seq > after {
				events[i].Seq = seq
				out = append(out, events[i])
			}
		}
		if len(out) >= limit {
			return out[:limit], nil
		}
	}
	return out, nil
}

func parseEntry(raw any) (last uint64, fields []any, ok bool) {
	parts, _ := raw.([]any)
	if len(parts) != 2 {
		return 0, nil, false
	}
	id, _ := parts[0].(string)
	number, _, _ := strings.Cut(id, "-")
	last, err := strconv.ParseUint(number, 10, 64)
	fields, ok = parts[1].([]any)
	return last, fields, ok && err == nil
}

// entryEvents reads the fields of an entry: of one event, as schema 1 has it, or of
// several.
func entryEvents(fields []any) ([]store.Event, error) {
	var out []store.Event
	var single store.Event
	var at time.Time
	for i := 0; i+1 < len(fields); i += 2 {
		value, _ := fields[i+1].(string)
		var err error
		switch fields[i] {
		case "a":
			var ms int64
			ms, err = strconv.ParseInt(value, 10, 64)
			at = time.UnixMilli(ms)
		case "p":
			var piece []store.Event
			piece, err = unpackEvents(value)
			out = append(out, piece...)
		case "t":
			single.Type = value
		case "k":
			single.Key = value
		case "b":
			single.Body, err = unpack(value)
			out = append(out, single)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(out) == 0 || at.IsZero() {
		return nil, fmt.Errorf("unexpected fields %v", fields)
	}
	for i := range out {
		out[i].Time = at
	}
	return out, nil
}
