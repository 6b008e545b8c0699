-- commit applies a batch, all of it or none of it. All checks come before the
-- first write. Redis itself refuses a script (memory, replicas, disk) at its
-- first write or not at all.
-- ARGV: node, slot, number of the commit in its slot; then, each with its count:
--   acks (queue, token), claims (key, value, ttl ms), puts (collection, id,
--   revision, filings, body), deletes (collection, id, revision), pushes (queue,
--   id, lane, group, delay ms, body), blobs (id, body or ''), events (type, key,
--   body); then the number of events to keep.
-- Filings are index NUL value NUL sort NUL for each entry.
-- Replies: {OK}, {LOST, n}, {TAKEN, n, value}, {PUT, n, have}, {DELETE, n, have}
local node, slot, turn = arg(), arg(), arg()
local memo = P .. 'n:' .. node
if call('HGET', memo, slot) == turn then
  call('EXPIRE', memo, 3600) -- a write, so that a WAIT after it covers the earlier ones
  return { 'OK' }
end

local acks, used = {}, {}
for i = 1, num() do
  local q, token = arg(), arg()
  local seq, sid, lane, grouped = parse_token(token)
  local held = nil
  if seq then
    local _
    _, held = lease_of(q, seq)
  end
  local key = q .. '\0' .. token
  if held ~= token or used[key] then return { 'LOST', i } end
  used[key] = true
  acks[i] = { q, seq, sid, lane, grouped }
end

local claims, claimed = {}, {}
for i = 1, num() do
  local key, value, ttl = arg(), arg(), num()
  local taken = claimed[key] or call('GET', P .. 'k:' .. key)
  if taken then return { 'TAKEN', i, taken } end
  claimed[key] = value
  claims[i] = { key, value, ttl }
end

local documents = {}
local function document(collection, id)
  local key = collection .. '\0' .. id
  local d = documents[key]
  if not d then
    d = { rev = 0, filed = '' }
    local raw = call('HGET', P .. 'r:' .. collection, id)
    if raw then
      local rev, filed = string.match(raw, '^(%d+)%z(.*)$')
      d.rev, d.filed = tonumber(rev), filed
    end
    documents[key] = d
  end
  return d
end

local puts = {}
for i = 1, num() do
  local collection, id, rev, filed, body = arg(), arg(), num(), arg(), arg()
  local d = document(collection, id)
  if rev ~= -1 and rev ~= d.rev then return { 'PUT', i, text(d.rev) } end
  puts[i] = { collection, id, d.rev + 1, d.filed, filed, body }
  d.rev, d.filed = d.rev + 1, filed
end

local deletes = {}
for i = 1, num() do
  local collection, id, rev = arg(), arg(), num()
  local d = document(collection, id)
  if rev ~= -1 and rev ~= d.rev then return { 'DELETE', i, text(d.rev) } end
  if d.rev > 0 then
    deletes[#deletes + 1] = { collection, id, d.filed }
    d.rev, d.filed = 0, ''
  end
end

-- From here on nothing is refused.

for _, a in ipairs(acks) do
  local q, seq, sid, lane, grouped = a[1], a[2], a[3], a[4], a[5]
  local stream = P .. 's:' .. q .. ':' .. lane
  local items = P .. 'it:' .. q
  local group = grouped and unpack_item(call('HGET', items, seq)).group
  call('XACK', stream, GROUP, sid)
  call('XDEL', stream, sid)
  call('HDEL', items, seq)
  call('HDEL', P .. 'lk:' .. q, seq)
  call('ZREM', P .. 'le:' .. q, seq)
  if group then
    local members = P .. 'g:' .. q .. ':' .. group
    call('LPOP', members)
    local following = call('LINDEX', members, 0)
    if following then
      local item = unpack_item(call('HGET', items, following))
      line(q, following, item.lane, item.due)
      ring('q:' .. q)
    end
  end
end

for _, c in ipairs(claims) do
  if c[3] > 0 then
    call('SET', P .. 'k:' .. c[1], c[2], 'PX', c[3])
  else
    call('SET', P .. 'k:' .. c[1], c[2])
  end
end

-- refile changes the index entries that differ.
local function refile(collection, id, old, new)
  if old == new then return end
  local entry = '([^%z]*)%z([^%z]*)%z([^%z]*)%z'
  local keep = {}
  for index, value, sort in string.gmatch(new, entry) do
    keep[index .. '\0' .. value .. '\0' .. sort] = true
  end
  local there = {}
  for index, value, sort in string.gmatch(old, entry) do
    local e = index .. '\0' .. value .. '\0' .. sort
    there[e] = true
    if not keep[e] then
      call('ZREM', P .. 'i:' .. collection .. ':' .. index .. ':' .. value, sort .. '\0' .. id)
    end
  end
  for index, value, sort in string.gmatch(new, entry) do
    if not there[index .. '\0' .. value .. '\0' .. sort] then
      call('ZADD', P .. 'i:' .. collection .. ':' .. index .. ':' .. value, 0, sort .. '\0' .. id)
    end
  end
end

for _, p in ipairs(puts) do
  local collection, id, rev = p[1], p[2], text(p[3])
  call('HSET', P .. 'r:' .. collection, id, rev .. '\0' .. p[5])
  call('HSET', P .. 'b:' .. collection, id, rev .. ':' .. p[6])
  if p[3] == 1 then call('ZADD', P .. 'a:' .. collection, 0, id) end
  refile(collection, id, p[4], p[5])
end

for _, d in ipairs(deletes) do
  call('HDEL', P .. 'r:' .. d[1], d[2])
  call('HDEL', P .. 'b:' .. d[1], d[2])
  call('ZREM', P .. 'a:' .. d[1], d[2])
  refile(d[1], d[2], d[3], '')
end

local count = num()
local seq = count > 0 and call('INCRBY', P .. 'seq', count) - count
for i = 1, count do
  local q, id, lane, group, delay, body = arg(), arg(), num(), arg(), num(), arg()
  local name, due = text(seq + i), now + delay
  call('HSET', P .. 'it:' .. q, name, cmsgpack.pack({ lane, now, due, group, id, body }))
  if group == '' or call('RPUSH', P .. 'g:' .. q .. ':' .. group, name) == 1 then
    line(q, name, lane, due)
    ring('q:' .. q)
  end
  call('SADD', P .. 'queues', q)
end

for _ = 1, num() do
  local id, body = arg(), arg()
  if body == '' then
    call('UNLINK', P .. 'x:' .. id)
  else
    call('SET', P .. 'x:' .. id, body)
  end
end

count = num()
if count > 0 then
  local first = call('INCRBY', P .. 'evseq', count) - count
  local events = {}
  for i = 1, count do events[i] = { arg(), arg(), arg() } end
  local keep = arg()
  for i, e in ipairs(events) do
    call('XADD', P .. 'ev', 'MAXLEN', '~', keep, text(first + i) .. '-0', 'a', text(now), 't', e[1], 'k', e[2], 'b', e[3])
  end
  ring('e')
end

call('HSET', memo, slot, turn)
call('EXPIRE', memo, 3600)
return { 'OK' }
