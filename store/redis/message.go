package redis

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"petrel/store"
)

// largeBody is the size from which a body travels beside the message instead of
// in it: the server handles it once less, but has an argument more.
const largeBody = 64

// msg is a message in msgpack, of which the scripts need arrays, texts and whole
// numbers only.
type msg []byte

func (m *msg) array(n int) {
	switch {
	case n < 16:
		*m = append(*m, 0x90|byte(n))
	case n <= math.MaxUint16:
		*m = binary.BigEndian.AppendUint16(append(*m, 0xdc), uint16(n))
	default:
		*m = binary.BigEndian.AppendUint32(append(*m, 0xdd), uint32(n))
	}
}

// head begins a text of n bytes.
func (m *msg) head(n int) {
	switch {
	case n < 32:
		*m = append(*m, 0xa0|byte(n))
	case n <= math.MaxUint16:
		*m = binary.BigEndian.AppendUint16(append(*m, 0xda), uint16(n))
	default:
		*m = binary.BigEndian.AppendUint32(append(*m, 0xdb), uint32(n))
	}
}

func (m *msg) text(s string) {
	m.head(len(s))
	*m = append(*m, s...)
}

func (m *msg) texts(list []string) {
	m.array(len(list))
	for _, s := range list {
		m.text(s)
	}
}

func (m *msg) number(n int64) {
	if n >= 0 && n < 128 {
		*m = append(*m, byte(n))
		return
	}
	*m = binary.BigEndian.AppendUint64(append(*m, 0xd3), uint64(n))
}

func (m *msg) numbers(list []int) {
	m.array(len(list))
	for _, n := range list {
		m.number(int64(n))
	}
}

// order is a batch written down for lua/commit.lua: everything that does not
// depend on the other batches that travel with it.
type order struct {
	slot  string
	turn  uint64
	again bool // it may have been carried out before

	docs  []document // of the puts, then of the deletes
	items []leased   // of the acks
	rest  msg        // the elements of the batch from claims on
	large []any      // bodies that travel beside
	size  int        // of all of it, in bytes
}

type document struct{ collection, id string }

// leased is an item as its token has it.
type leased struct {
	queue, lane, sid string // sid: ID of the entry in the stream of the lane
	ms, seq          uint64 // the parts of sid
	count            int    // deliveries of the entry
	flags, group     string
}

// token is the inverse of parseToken.
func (l *leased) token() string {
	return l.sid + "/" + l.lane + "/" + strconv.Itoa(l.count) + "/" + l.flags + "/" + l.group + "/"
}

// parseToken reads a token of an item of a queue; a foreign one is a lost lease.
func parseToken(it store.Item) (leased, error) {
	whole, ended := strings.CutSuffix(it.Token, "/")
	parts := strings.SplitN(whole, "/", 5)
	if len(parts) == 5 && ended {
		l := leased{queue: segment(it.Queue), lane: parts[1], sid: parts[0], flags: parts[3], group: parts[4]}
		var err1, err2, err3 error
		ms, seq, _ := strings.Cut(l.sid, "-")
		l.ms, err1 = strconv.ParseUint(ms, 10, 64)
		l.seq, err2 = strconv.ParseUint(seq, 10, 64)
		l.count, err3 = strconv.Atoi(parts[2])
		if err1 == nil && err2 == nil && err3 == nil && len(l.lane) == 1 {
			return l, nil
		}
	}
	return leased{}, fmt.Errorf("item %s of %s: %w", it.ID, it.Queue, store.ErrLeaseLost)
}

// write writes a batch down.
func write(batch *store.Batch, now time.Time) (*order, error) {
	o := &order{
		docs:  make([]document, 0, len(batch.Puts)+len(batch.Deletes)),
		items: make([]leased, 0, len(batch.Acks)),
	}
	for _, it := range batch.Acks {
		l, err := parseToken(it)
		if err != nil {
			return nil, err
		}
		o.items = append(o.items, l)
	}
	m := make(msg, 0, 512)
	m.array(3 * len(batch.Claims))
	for _, c := range batch.Claims {
		m.text(c.Key)
		m.text(c.Value)
		m.number(millis(c.TTL))
	}
	m.array(3 * len(batch.Puts))
	for i := range batch.Puts {
		p := &batch.Puts[i]
		o.docs = append(o.docs, document{segment(p.Collection), p.ID})
		m.number(p.Rev)
		filed := filings(p.Index)
		m.head(len(filed))
		m = append(m, filed...)
		o.body(&m, record(p))
	}
	m.array(len(batch.Deletes))
	for _, d := range batch.Deletes {
		o.docs = append(o.docs, document{segment(d.Collection), d.ID})
		m.number(d.Rev)
	}
	m.array(6 * len(batch.Pushes))
	for i := range batch.Pushes {
		p := &batch.Pushes[i]
		var delay time.Duration
		if !p.At.IsZero() {
			delay = max(0, p.At.Sub(now))
		}
		m.text(segment(p.Queue))
		m.text(p.ID)
		m.number(int64(p.Lane))
		m.text(p.Group)
		m.number(millis(delay))
		o.body(&m, packItem(p.Body))
	}
	m.array(2 * len(batch.Blobs))
	for i := range batch.Blobs {
		bl := &batch.Blobs[i]
		m.text(bl.ID)
		if bl.Drop {
			m.text("")
		} else {
			o.body(&m, pack(bl.Body, 512))
		}
	}
	m.number(int64(len(batch.Events)))
	o.body(&m, packEvents(batch.Events))
	o.rest = m
	o.size += len(m) + 32*(len(o.docs)+len(o.items)+1)
	return o, nil
}

// body adds a body to the message, or beside it.
func (o *order) body(m *msg, body []byte) {
	if len(body) >= largeBody {
		o.large = append(o.large, body)
		o.size += len(body)
		m.number(int64(len(o.large)))
		return
	}
	m.head(len(body))
	*m = append(*m, body...)
}

// record is the stored form of a document: revision:body. Which revision it gets is
// not known here when it replaces any.
func record(p *store.Put) []byte {
	out := make([]byte, 0, len(p.Body)+16)
	if p.Rev != store.AnyRev {
		out = strconv.AppendInt(out, p.Rev+1, 10)
	}
	return appendPacked(append(out, ':'), p.Body, zipFrom)
}

// filings are the index entries of a document, each once: a list of index:value and
// sort key in turn.
func filings(list []store.IndexEntry) []byte {
	var once []store.IndexEntry
	for _, e := range list {
		if !slices.Contains(once, e) {
			once = append(once, e)
		}
	}
	m := make(msg, 0, 16+64*len(once))
	m.array(2 * len(once))
	for _, e := range once {
		index := segment(e.Index)
		m.head(len(index) + 1 + len(e.Value))
		m = append(append(append(m, index...), ':'), e.Value...)
		m.text(e.Sort)
	}
	return m
}

// shelf is a collection and the documents of it that a message speaks of.
type shelf struct {
	collection string
	ids        []string
}

// lane is a lane of a queue and the items of it that a message speaks of.
type lane struct {
	first, last *leased // by entry
	sids        []string
	counts      []int
	flags       []string
	groups      []string
}

// spot says where something stands in a list of lists.
type spot struct{ list, at int }

// dispatch puts orders together into the arguments of lua/commit.lua, each of
// whose documents and items is named once.
func (b *Backend) dispatch(orders []*order) []any {
	var shelves []*shelf
	var lanes []*lane
	docs, items := map[document]spot{}, map[leased]spot{}
	byName, byStream := map[string]int{}, map[[2]string]int{}
	for _, o := range orders {
		for _, d := range o.docs {
			if _, known := docs[d]; known {
				continue
			}
			n, known := byName[d.collection]
			if !known {
				n = len(shelves)
				byName[d.collection] = n
				shelves = append(shelves, &shelf{collection: d.collection})
			}
			docs[d] = spot{n, len(shelves[n].ids)}
			shelves[n].ids = append(shelves[n].ids, d.id)
		}
		for i := range o.items {
			it := &o.items[i]
			if _, known := items[*it]; known {
				continue
			}
			stream := [2]string{it.queue, it.lane}
			n, known := byStream[stream]
			if !known {
				n = len(lanes)
				byStream[stream] = n
				lanes = append(lanes, &lane{first: it, last: it})
			}
			items[*it] = spot{n, len(lanes[n].sids)}
			lanes[n].add(it)
		}
	}
	m := make(msg, 0, 4096)
	m.array(6)
	m.text(b.node)
	m.number(int64(b.prolong()))
	m.number(int64(b.opts.KeepEvents))
	m.array(2 * len(shelves))
	docBase := make([]int, len(shelves)) // how many documents come before
	for i, s := range shelves {
		if i > 0 {
			docBase[i] = docBase[i-1] + len(shelves[i-1].ids)
		}
		m.text(s.collection)
		m.texts(s.ids)
	}
	m.array(8 * len(lanes))
	itemBase := make([]int, len(lanes))
	for i, l := range lanes {
		if i > 0 {
			itemBase[i] = itemBase[i-1] + len(lanes[i-1].sids)
		}
		m.lane(l)
	}
	m.array(len(orders))
	args := []any{nil}
	for _, o := range orders {
		m.array(13)
		m.text(o.slot)
		m.text(strconv.FormatUint(o.turn, 10))
		m.number(int64(flag(o.again)))
		m.number(int64(len(args)))
		m.array(len(o.docs))
		for _, d := range o.docs {
			at := docs[d]
			m.number(int64(docBase[at.list] + at.at + 1))
		}
		m.array(len(o.items))
		for _, it := range o.items {
			at := items[it]
			m.number(int64(itemBase[at.list] + at.at + 1))
		}
		m = append(m, o.rest...)
		args = append(args, o.large...)
	}
	args[0] = []byte(m)
	return args
}

func (l *lane) add(it *leased) {
	if it.before(l.first) {
		l.first = it
	}
	if l.last.before(it) {
		l.last = it
	}
	l.sids, l.counts = append(l.sids, it.sid), append(l.counts, it.count)
	l.flags, l.groups = append(l.flags, it.flags), append(l.groups, it.group)
}

func (l *leased) before(other *leased) bool {
	return l.ms < other.ms || l.ms == other.ms && l.seq < other.seq
}

func (m *msg) lane(l *lane) {
	m.text(l.first.queue)
	m.text(l.first.lane)
	m.text(l.first.sid)
	m.text(l.last.sid)
	m.texts(l.sids)
	m.numbers(l.counts)
	m.texts(l.flags)
	m.texts(l.groups)
}
