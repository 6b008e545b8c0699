-- commit applies batches one after the other, each whole or not at all, as if
-- each were a script of its own. All checks, of all batches, come before the
-- first write. Redis itself refuses a script (memory, replicas, disk) at its
-- first write or not at all. What the batches read and write is gathered, so that
-- many of them cost few commands.
-- ARGV: a message (msgpack), and behind it the bodies that are too large for it.
--   The message is {node, 1 to prolong the memory of the node, events to keep,
--   documents, items, batches}.
--   documents: collection, {id...}, ... numbered through, from 1.
--   items, that are acknowledged: queue, lane, lowest and highest entry id, {entry
--     id...}, {deliveries...}, {flags...}, {group...}, ... numbered through.
--   A batch is {slot, number of the commit in its slot, 1 when it may have been
--     carried out before, place in ARGV before its first large body, {number of
--     the document of each put and then of each delete}, {number of the item of
--     each ack}, claims, puts, deletes, pushes, blobs, number of events, events as
--     one piece}; of which, one after the other,
--   claims: key, value, ttl ms; puts: revision, filings, record; deletes: revision;
--     pushes: queue, id, lane, group, delay ms, body; blobs: id, body or ''.
--   A record is what is stored, new revision:body, and lacks the revision when the
--   one that it replaces is -1. A body, record or piece that is a number is the
--   place of a large one. The server hashes each text that a script sees, byte by
--   byte, so long ones are not put together here.
-- Reply: for each batch 1, {LOST, n}, {TAKEN, n, value}, {PUT, n, have} or
-- {DELETE, n, have}
local MANY = 1000 -- arguments in one command; even
local NOWHERE = '\144' -- no filings
local message = cmsgpack.unpack(ARGV[1])
local node, prolong, keep, batches = message[1], message[2], message[3], message[6]
local memo = P .. 'n:' .. node

-- What is there.

local documents = {}
for i = 1, #message[4], 2 do
  local collection, ids = message[4][i], message[4][i + 1]
  for from = 1, #ids, MANY do
    local fields = {}
    for j = from, math.min(from + MANY - 1, #ids) do fields[#fields + 1] = ids[j] .. '\0' end
    for j, raw in ipairs(call('HMGET', P .. 'd:' .. collection, unpack(fields))) do
      local rev, filed = 0, NOWHERE
      if raw then
        local at = string.find(raw, '\0', 1, true)
        rev, filed = tonumber(string.sub(raw, 1, at - 1)), string.sub(raw, at + 1)
      end
      documents[#documents + 1] = {
        collection = collection, id = ids[from + j - 1], rev = rev, filed = filed, was = rev, before = filed,
        changed = false, record = false,
      }
    end
  end
end

local items = {}
for i = 1, #message[5], 8 do
  local p = message[5]
  local q, lane, sids, counts, flags, groups = p[i], p[i + 1], p[i + 4], p[i + 5], p[i + 6], p[i + 7]
  local stream, most, delivered = P .. 's:' .. q .. ':' .. lane, 2 * #sids + 32, {}
  local pending = pcall('XPENDING', stream, GROUP, p[i + 2], p[i + 3], most)
  if pending.err then pending = {} end -- no such lane
  for _, e in ipairs(pending) do delivered[e[1]] = e[4] end
  for j, sid in ipairs(sids) do
    if not delivered[sid] and #pending == most then -- those in between were too many
      local one = call('XPENDING', stream, GROUP, sid, sid, 1)[1]
      delivered[sid] = one and one[4]
    end
    items[#items + 1] = { q = q, stream = stream, sid = sid, flags = flags[j], group = groups[j], held = delivered[sid] == counts[j] }
  end
end

-- Each batch in turn, on what those before it leave behind.

local claimed = {}

local function check(b)
  local slot, turn, again, base, docs, acks, claims, puts, deletes = unpack(b, 1, 9)
  if again == 1 and call('HGET', memo, slot) == turn then return true end
  for i, n in ipairs(acks) do
    if not items[n].held then return false, { 'LOST', i }, i - 1, 0 end
    items[n].held = false
  end
  for i = 1, #claims, 3 do
    local taken = claimed[claims[i]] or call('GET', P .. 'k:' .. claims[i])
    if taken then return false, { 'TAKEN', (i + 2) / 3, taken }, #acks, i - 1 end
    claimed[claims[i]] = claims[i + 1]
  end
  local undo = {}
  local function change(d, rev, filed, record)
    undo[#undo + 1] = { d, d.rev, d.filed, d.record, d.changed }
    d.rev, d.filed, d.record, d.changed = rev, filed, record, true
  end
  local function back()
    for i = #undo, 1, -1 do
      local u = undo[i]
      local d = u[1]
      d.rev, d.filed, d.record, d.changed = u[2], u[3], u[4], u[5]
    end
  end
  for i = 1, #puts, 3 do
    local d, rev, record = documents[docs[(i + 2) / 3]], puts[i], puts[i + 2]
    if rev ~= -1 and rev ~= d.rev then
      local have = text(d.rev)
      back()
      return false, { 'PUT', (i + 2) / 3, have }, #acks, #claims
    end
    if type(record) == 'number' then record = ARGV[base + record] end
    if rev == -1 then record = text(d.rev + 1) .. record end
    change(d, d.rev + 1, puts[i + 1], record)
  end
  for i, rev in ipairs(deletes) do
    local d = documents[docs[#puts / 3 + i]]
    if rev ~= -1 and rev ~= d.rev then
      local have = text(d.rev)
      back()
      return false, { 'DELETE', i, have }, #acks, #claims
    end
    change(d, 0, NOWHERE, false)
  end
  b.accepted = true
  return true
end

local replies, accepted, repeated = {}, {}, false
for n, b in ipairs(batches) do
  local ok, refusal, acks, claims = check(b)
  if ok then
    replies[n] = 1
    if b.accepted then accepted[#accepted + 1] = b else repeated = true end
  else
    replies[n] = refusal
    for i = 1, acks do items[b[6][i]].held = true end
    for i = 1, claims, 3 do claimed[b[7][i]] = nil end
  end
end

-- From here on nothing is refused.

-- many carries a command out with as many arguments as there are.
local function many(command, key, args, first)
  for from = 1, #args, MANY do
    if first then
      call(command, key, first, unpack(args, from, math.min(from + MANY - 1, #args)))
    else
      call(command, key, unpack(args, from, math.min(from + MANY - 1, #args)))
    end
  end
end

-- under returns the list of a key, a new one at first.
local function under(lists, key)
  local list = lists[key]
  if not list then
    list = {}
    lists[key] = list
  end
  return list
end

local places, noted = {}, {}
local function note(place)
  if not noted[place] and #places < 1000 then
    noted[place] = true
    places[#places + 1] = place
  end
end

-- Acks come first: a server without memory lets them pass, and what follows.
local gone, larges, following = {}, {}, {}
for _, b in ipairs(accepted) do
  for _, n in ipairs(b[6]) do
    local it = items[n]
    local list = under(gone, it.stream)
    list[#list + 1] = it.sid
    if it.flags ~= '' then
      if string.find(it.flags, 'B', 1, true) then
        local bodies = under(larges, P .. 'ib:' .. it.q)
        bodies[#bodies + 1] = it.sid
      end
      if string.find(it.flags, 'G', 1, true) then following[#following + 1] = it end
    end
  end
end
for stream, sids in pairs(gone) do
  many('XACK', stream, sids, GROUP)
  many('XDEL', stream, sids)
end
for key, sids in pairs(larges) do many('HDEL', key, sids) end
for _, it in ipairs(following) do
  local members = P .. 'g:' .. it.q .. ':' .. it.group
  call('LPOP', members)
  local first = call('LINDEX', members, 0)
  if first then
    call('HINCRBY', P .. 'st:' .. it.q, 'behind', '-1')
    line(it.q, unpack_item(first))
    note('q:' .. it.q)
  end
end

for _, b in ipairs(accepted) do
  local claims = b[7]
  for i = 1, #claims, 3 do
    if claims[i + 2] > 0 then
      call('SET', P .. 'k:' .. claims[i], claims[i + 1], 'PX', text(claims[i + 2]))
    else
      call('SET', P .. 'k:' .. claims[i], claims[i + 1])
    end
  end
end

local sets, unsets, adds, removes = {}, {}, {}, {}

local function member(lists, d, key, sort)
  local list = under(lists, P .. 'i:' .. d.collection .. ':' .. key)
  if lists == adds then list[#list + 1] = '0' end
  list[#list + 1] = sort .. '\0' .. d.id
end

-- filings lists index:value and sort of each entry, in turn.
local function filings(filed)
  if (string.byte(filed) or 0) >= 0x80 then return cmsgpack.unpack(filed) end
  local list = {} -- as schema 1 has them
  for index, value, sort in string.gmatch(filed, '([^%z]*)%z([^%z]*)%z([^%z]*)%z') do
    list[#list + 1] = index .. ':' .. value
    list[#list + 1] = sort
  end
  return list
end

-- refile changes the index entries that differ. What leaves its place in the list
-- is removed, what has a new one is added, later; no list has an entry twice.
local function refile(d)
  if d.before == d.filed then return end
  local old, new = filings(d.before), filings(d.filed)
  for i = 1, math.max(#old, #new), 2 do
    local key, sort = new[i], new[i + 1]
    if key ~= old[i] or sort ~= old[i + 1] then
      if key then member(adds, d, key, sort) end
      if old[i] then member(removes, d, old[i], old[i + 1]) end
    end
  end
end

for _, d in ipairs(documents) do
  if d.changed then
    if d.rev > 0 then
      local list = under(sets, P .. 'd:' .. d.collection)
      local n = #list
      list[n + 1], list[n + 2], list[n + 3], list[n + 4] = d.id, d.record, d.id .. '\0', text(d.rev) .. '\0' .. d.filed
      if d.was == 0 then
        list = under(adds, P .. 'a:' .. d.collection)
        n = #list
        list[n + 1], list[n + 2] = '0', d.id
      end
    elseif d.was > 0 then
      local list = under(unsets, P .. 'd:' .. d.collection)
      list[#list + 1] = d.id
      list[#list + 1] = d.id .. '\0'
      list = under(removes, P .. 'a:' .. d.collection)
      list[#list + 1] = d.id
    end
    refile(d)
  end
end
for key, list in pairs(unsets) do many('HDEL', key, list) end
for key, list in pairs(sets) do many('HSET', key, list) end
for key, list in pairs(removes) do many('ZREM', key, list) end
for key, list in pairs(adds) do many('ZADD', key, list) end

for _, b in ipairs(accepted) do
  local pushes, blobs, base = b[10], b[11], b[4]
  for i = 1, #pushes, 6 do
    local q, id, lane, group, delay, body = unpack(pushes, i, i + 5)
    if type(body) == 'number' then body = ARGV[base + body] end
    if group == '' and delay == 0 and body == '' then
      call('XADD', P .. 's:' .. q .. ':' .. lane, '*', 'i', id)
      note('q:' .. q)
    else
      local item = { id = id, lane = lane, group = group, due = now + delay, body = body, pushed = now, base = 0 }
      if group == '' or call('RPUSH', P .. 'g:' .. q .. ':' .. group, pack_item(item)) == 1 then
        line(q, item)
        note('q:' .. q)
      else
        call('HINCRBY', P .. 'st:' .. q, 'behind', '1')
      end
    end
  end
  for i = 1, #blobs, 2 do
    local id, body = blobs[i], blobs[i + 1]
    if type(body) == 'number' then body = ARGV[base + body] end
    if body == '' then
      call('UNLINK', P .. 'x:' .. id)
    else
      call('SET', P .. 'x:' .. id, body)
    end
  end
end

-- The events of several batches share an entry, up to a size.
local entry, count, size = {}, 0, 0
local step = math.max(1, math.floor(keep / 10)) -- trimming costs, so it is done in steps
local function oldest(last) return math.max(0, math.floor((last - keep) / step) * step) end
local function log()
  local last = call('INCRBY', P .. 'evseq', text(count))
  call('XADD', P .. 'ev', 'MINID', '=', text(oldest(last)), text(last) .. '-0', 'a', text(now), 'n', text(count), unpack(entry))
  entry, count, size = {}, 0, 0
  note('e')
end
for _, b in ipairs(accepted) do
  if b[12] > 0 then
    local body = b[13]
    if type(body) == 'number' then body = ARGV[b[4] + body] end
    entry[#entry + 1] = 'p'
    entry[#entry + 1] = body
    count, size = count + b[12], size + #body
    if size >= 16384 or count >= 64 then log() end
  end
end
if count > 0 then log() end

ring(places)

local memory = {}
for _, b in ipairs(accepted) do
  memory[#memory + 1] = b[1]
  memory[#memory + 1] = b[2]
end
many('HSET', memo, memory)
if prolong == 1 and #accepted > 0 or repeated then
  call('EXPIRE', memo, KEEP) -- after a repeat too: a WAIT covers what was written before this
end
return replies
