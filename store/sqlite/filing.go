package sqlite

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"petrel/store"
)

// filing is an index entry with its index as a number.
type filing struct {
	ix          int64
	value, sort string
}

func compareFilings(a, b filing) int {
	if a.ix != b.ix {
		return int(a.ix - b.ix)
	}
	if c := strings.Compare(a.value, b.value); c != 0 {
		return c
	}
	return strings.Compare(a.sort, b.sort)
}

// fileUnder returns the filings of a document, sorted and without repetition.
func fileUnder(names map[string]int64, p *store.Put) []filing {
	if len(p.Index) == 0 {
		return nil
	}
	list := make([]filing, 0, len(p.Index))
	for _, e := range p.Index {
		list = append(list, filing{names[indexName(p.Collection, e.Index)], e.Value, e.Sort})
	}
	slices.SortFunc(list, compareFilings)
	return slices.Compact(list)
}

// encodeFilings writes them as they are kept beside the document, so that its
// next change touches only the entries that differ: for each the index number,
// then the two strings with their lengths.
func encodeFilings(list []filing) []byte {
	var out []byte
	for _, f := range list {
		out = binary.AppendUvarint(out, uint64(f.ix))
		for _, s := range [2]string{f.value, f.sort} {
			out = binary.AppendUvarint(out, uint64(len(s)))
			out = append(out, s...)
		}
	}
	return out
}

func decodeFilings(raw []byte) ([]filing, error) {
	var list []filing
	rest, damaged := raw, false
	number := func() uint64 {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			rest, damaged = nil, true
			return 0
		}
		rest = rest[n:]
		return v
	}
	text := func() string {
		n := number()
		if n > uint64(len(rest)) {
			rest, damaged = nil, true
			return ""
		}
		s := string(rest[:n])
		rest = rest[n:]
		return s
	}
	for len(rest) > 0 {
		f := filing{ix: int64(number())}
		f.value = text()
		f.sort = text()
		if damaged {
			return list, fmt.Errorf("the list of its index entries is damaged: %x", raw)
		}
		list = append(list, f)
	}
	return list, nil
}

// refile removes the old filings that are not among the new and adds the new
// that were not among the old. Both are sorted.
func (w *writer) refile(id string, filed []byte, now []filing) error {
	old, err := decodeFilings(filed)
	if err != nil {
		return fmt.Errorf("document %s: %w", id, err)
	}
	for len(old)+len(now) > 0 {
		c := 0
		switch {
		case len(old) == 0:
			c = 1
		case len(now) == 0:
			c = -1
		default:
			c = compareFilings(old[0], now[0])
		}
		var err error
		switch {
		case c < 0:
			f := old[0]
			_, err = w.stmt.rmFiling.Exec(f.ix, f.value, f.sort, id)
			old = old[1:]
		case c > 0:
			f := now[0]
			_, err = w.stmt.addFiling.Exec(f.ix, f.value, f.sort, id)
			now = now[1:]
		default:
			old, now = old[1:], now[1:]
		}
		if err != nil {
			return fmt.Errorf("file %s: %w", id, err)
		}
	}
	return nil
}
