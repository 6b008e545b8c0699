-- What the scripts share. KEYS[1] is the prefix of all keys, with its hash tag,
-- so that a script stays on one slot of a cluster. Keys, behind the prefix:
--   meta        hash: schema version
--   d:C         collection C, hash: id -> revision:body, id NUL -> revision NUL filings;
--               these are a list (msgpack) of index:value and sort key in turn, in
--               schema 1 each of index, value and sort with a NUL behind it
--   a:C         all its ids (ZSET by lex)
--   i:C:I:V     index I, value V: members sort NUL id (ZSET by lex)
--   s:Q:L       queue Q, lane L: stream of items; the pending entries of its
--               consumer group are what is leased
--   ib:Q        bodies of items that are too large for the stream, by entry id
--   du:Q        items that are due later (ZSET by server time in ms), packed
--   g:Q:G       items of group G in order, packed; the first is the one in line
--   st:Q        hash: served (hand-outs, modulo), scan (when a lease may end),
--               n (counter), behind (items that wait behind another of their group)
--   ev, evseq   event log and its counter: a stream of entries with one or more
--               events each, id = number of the last one-0: a (server time in ms), n
--               (how many), p (some of them in one piece, as event.go has it), p...;
--               of schema 1 there may be entries of one event: a, t, k, b
--   k:K, x:B, l:N   claim K, blob B, lock N
--   n:NODE      what a node was last answered, so that a retry is not done twice
--   queues      set of queue names
--   idle, bell  who waits for what; stream that wakes them
-- A pending entry's idle time tells the end of its lease: the lease is over when
-- it reaches BASE, and starts at BASE - ttl.
local P = KEYS[1]
local GROUP = 'petrel'
local LANES = 3
local BASE = 86400000
local KEEP = 3600
local SMALL = 1024
local call, pcall = redis.call, redis.pcall

local position = 0
local function arg()
  position = position + 1
  return ARGV[position]
end
local function num() return tonumber(arg()) end

local function text(n) return string.format('%.0f', n) end

local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

-- ring wakes those that found nothing at these places since they were last rung.
local function ring(places)
  if #places > 0 and call('HDEL', P .. 'idle', unpack(places)) > 0 then
    for _, place in ipairs(places) do
      call('XADD', P .. 'bell', 'MAXLEN', '~', '4096', '*', 'p', place)
    end
  end
end

local function pack_item(item, n)
  return cmsgpack.pack({ item.lane, item.pushed, item.due, item.group, item.id, item.body, item.base, n })
end

local function unpack_item(raw)
  local f = cmsgpack.unpack(raw)
  return { lane = f[1], pushed = f[2], due = f[3], group = f[4], id = f[5], body = f[6], base = f[7] }
end

-- line makes an item available: in its lane, or among those that are due later.
local function line(q, item)
  if item.due > now then
    call('ZADD', P .. 'du:' .. q, text(item.due), pack_item(item, call('HINCRBY', P .. 'st:' .. q, 'n', '1')))
    return
  end
  local entry = { 'XADD', P .. 's:' .. q .. ':' .. item.lane, '*', 'i', item.id }
  local function field(name, value)
    entry[#entry + 1] = name
    entry[#entry + 1] = value
  end
  if item.group ~= '' then field('g', item.group) end
  if item.pushed ~= now then field('p', text(item.pushed)) end
  if item.base > 0 then field('d', text(item.base)) end
  if #item.body > SMALL then
    field('B', '1')
    call('HSET', P .. 'ib:' .. q, call(unpack(entry)), item.body)
    return
  end
  if item.body ~= '' then field('b', item.body) end
  call(unpack(entry))
end

-- read_entry is the inverse of line for an entry of a stream.
local function read_entry(q, lane, sid, fields)
  local f = {}
  for i = 1, #fields, 2 do f[fields[i]] = fields[i + 1] end
  return {
    id = f['i'], lane = lane, group = f['g'] or '', base = tonumber(f['d'] or 0), large = f['B'],
    pushed = tonumber(f['p'] or string.match(sid, '^%d+')), due = 0,
    body = f['B'] and call('HGET', P .. 'ib:' .. q, sid) or f['b'] or '',
  }
end

-- A token is entry id/lane/deliveries of the entry/flags/group/. The flags are G
-- when the item has a group, B when its body is kept apart.

-- held returns stream, entry id, lane, flags and consumer of the lease that a
-- token stands for, or nil when it is lost.
local function held(q, token)
  local sid, lane, count, flags = string.match(token, '^(%d+%-%d+)/(%d)/(%d+)/(G?B?)/.*/$')
  if not sid then return nil end
  local stream = P .. 's:' .. q .. ':' .. lane
  local pending = pcall('XPENDING', stream, GROUP, sid, sid, 1)
  local p = not pending.err and pending[1]
  if not p or p[4] ~= tonumber(count) then return nil end
  return stream, sid, lane, flags, p[2]
end

local function drop(q, stream, sid, flags)
  call('XACK', stream, GROUP, sid)
  call('XDEL', stream, sid)
  if string.find(flags, 'B', 1, true) then call('HDEL', P .. 'ib:' .. q, sid) end
end
