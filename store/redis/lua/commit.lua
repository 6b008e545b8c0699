-- commit applies a batch, all of it or none of it. All checks come before the
-- first write. Redis itself refuses a script (memory, replicas, disk) at its
-- first write or not at all.
-- ARGV: node, slot, number of the commit in its slot, 1 when it may have been
--   carried out before, 1 to prolong the memory of the node; then, each with its
--   count: acks (queue, token), claims (key, value, ttl ms), puts (collection, id,
--   revision, filings, body), deletes (collection, id, revision), pushes (queue,
--   id, lane, group, delay ms, body), blobs (id, body or ''), events (type, key,
--   body); then the number of events to keep.
-- Filings are index NUL value NUL sort NUL for each entry.
-- Replies: {OK}, {LOST, n}, {TAKEN, n, value}, {PUT, n, have}, {DELETE, n, have}
local node, slot, turn, again, prolong = arg(), arg(), arg(), arg(), arg()
local memo = P .. 'n:' .. node
if again == '1' and call('HGET', memo, slot) == turn then
  call('EXPIRE', memo, KEEP) -- a write, so that a WAIT after it covers the earlier ones
  return { 'OK' }
end

local acks, used = {}, {}
for i = 1, num() do
  local q, token = arg(), arg()
  local stream, sid, _, flags = held(q, token)
  if not stream or used[stream .. sid] then return { 'LOST', i } end
  used[stream .. sid] = true
  acks[i] = { q, stream, sid, flags }
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
    local raw = call('HGET', P .. 'd:' .. collection, id .. '\0')
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

local places, noted = {}, {}
local function note(place)
  if not noted[place] and #places < 1000 then
    noted[place] = true
    places[#places + 1] = place
  end
end

for _, a in ipairs(acks) do
  local q, stream, sid, flags = a[1], a[2], a[3], a[4]
  local members = nil
  if string.sub(flags, 1, 1) == 'G' then
    local fields = call('XRANGE', stream, sid, sid)[1][2]
    members = P .. 'g:' .. q .. ':' .. read_entry(q, 0, sid, fields).group
  end
  drop(q, stream, sid, flags)
  if members then
    call('LPOP', members)
    local following = call('LINDEX', members, 0)
    if following then
      call('HINCRBY', P .. 'st:' .. q, 'behind', '-1')
      line(q, unpack_item(following))
      note('q:' .. q)
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
  local keep, there = {}, {}
  if old ~= '' then
    for index, value, sort in string.gmatch(new, entry) do
      keep[index .. '\0' .. value .. '\0' .. sort] = true
    end
    for index, value, sort in string.gmatch(old, entry) do
      local e = index .. '\0' .. value .. '\0' .. sort
      there[e] = true
      if not keep[e] then
        call('ZREM', P .. 'i:' .. collection .. ':' .. index .. ':' .. value, sort .. '\0' .. id)
      end
    end
  end
  for index, value, sort in string.gmatch(new, entry) do
    if not there[index .. '\0' .. value .. '\0' .. sort] then
      call('ZADD', P .. 'i:' .. collection .. ':' .. index .. ':' .. value, '0', sort .. '\0' .. id)
    end
  end
end

for _, p in ipairs(puts) do
  local collection, id, rev = p[1], p[2], text(p[3])
  call('HSET', P .. 'd:' .. collection, id, rev .. ':' .. p[6], id .. '\0', rev .. '\0' .. p[5])
  if p[3] == 1 then call('ZADD', P .. 'a:' .. collection, '0', id) end
  refile(collection, id, p[4], p[5])
end

for _, d in ipairs(deletes) do
  call('HDEL', P .. 'd:' .. d[1], d[2], d[2] .. '\0')
  call('ZREM', P .. 'a:' .. d[1], d[2])
  refile(d[1], d[2], d[3], '')
end

for _ = 1, num() do
  local q = arg()
  local item = { id = arg(), lane = num(), group = arg(), due = now + num(), body = arg(), pushed = now, base = 0 }
  if item.group == '' or call('RPUSH', P .. 'g:' .. q .. ':' .. item.group, pack_item(item)) == 1 then
    line(q, item)
    note('q:' .. q)
  else
    call('HINCRBY', P .. 'st:' .. q, 'behind', '1')
  end
end

for _ = 1, num() do
  local id, body = arg(), arg()
  if body == '' then
    call('UNLINK', P .. 'x:' .. id)
  else
    call('SET', P .. 'x:' .. id, body)
  end
end

local count = num()
if count > 0 then
  local keep = ARGV[#ARGV]
  local first = call('INCRBY', P .. 'evseq', count) - count
  for i = 1, count do
    call('XADD', P .. 'ev', 'MAXLEN', '~', keep, text(first + i) .. '-0', 'a', text(now), 't', arg(), 'k', arg(), 'b', arg())
  end
  note('e')
end

ring(places)
call('HSET', memo, slot, turn)
if prolong == '1' then call('EXPIRE', memo, KEEP) end
return { 'OK' }
