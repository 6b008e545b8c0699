-- What the scripts share. KEYS[1] is the prefix of all keys, with its hash tag,
-- so that a script stays on one slot of a cluster. Keys, behind the prefix:
--   meta                 hash: schema version
--   r:C, b:C, a:C        collection C: id -> revision NUL filings; id -> revision:body; all ids (ZSET by lex)
--   i:C:I:V              index I, value V: members sort NUL id (ZSET by lex)
--   queues               set of queue names
--   seq                  counter of queue items
--   s:Q:L                queue Q, lane L: stream of item numbers; its consumer group holds what is leased
--   it:Q                 number -> item, packed
--   lk:Q                 number -> deliveries:token of the last lease (empty: none)
--   le:Q                 ends of leases (ZSET by server time in ms)
--   du:Q                 what is due later (ZSET by server time in ms)
--   g:Q:G                numbers of the items of group G in order; the first is the one in line
--   st:Q                 hash: count of hand-outs
--   ev, evseq            event log (stream, id = number-0) and the counter
--   k:K, x:B, l:N        claim K, blob B, lock N
--   n:NODE               what a node was last answered, so that a retry is not done twice
--   idle, bell           who waits for what; stream that wakes them
local P = KEYS[1]
local GROUP = 'petrel'
local LANES = 3
local call = redis.call

local position = 0
local function arg()
  position = position + 1
  return ARGV[position]
end
local function num() return tonumber(arg()) end

local function text(n) return string.format('%.0f', n) end

local function clock()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local now = clock()

-- ring wakes those that found nothing at this place since it was last rung.
local function ring(place)
  if call('HDEL', P .. 'idle', place) == 1 then
    call('XADD', P .. 'bell', 'MAXLEN', '~', 4096, '*', 'p', place)
  end
end

local function unpack_item(raw)
  local f = cmsgpack.unpack(raw)
  return { lane = f[1], pushed = f[2], due = f[3], group = f[4], id = f[5], body = f[6] }
end

-- line makes an item available: in its lane, or among those that are due later.
local function line(q, seq, lane, due)
  if due > now then
    call('ZADD', P .. 'du:' .. q, due, seq)
  else
    call('XADD', P .. 's:' .. q .. ':' .. lane, '*', 'n', seq)
  end
end

-- A token is number/stream id/lane/G or -/nonce.
local function parse_token(token)
  local seq, sid, lane, grouped = string.match(token, '^(%d+)/([%d-]+)/(%d)/([G-])/')
  return seq, sid, lane, grouped == 'G'
end

local function lease_of(q, seq)
  local raw = call('HGET', P .. 'lk:' .. q, seq)
  if not raw then return nil end
  local deliveries, token = string.match(raw, '^(%d+):(.*)$')
  return tonumber(deliveries), token
end
