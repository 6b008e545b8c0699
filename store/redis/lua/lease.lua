-- lease hands out items of a queue.
-- ARGV: queue, holder, most, ttl ms, node, nonce of the last answer with items
--   that the node has got for this queue, nonce of this request, 1 to prolong the
--   memory of the node.
-- Reply: {ms until something may be due or -1, {item...}} with items {lane,
--   deliveries of the entry, entry id, fields of the entry as line has them, body
--   if it is kept apart}.
local q, holder, most, ttl = arg(), arg(), num(), math.min(num(), BASE)
local node, seen, nonce, prolong = arg(), arg(), arg(), arg()
local memo, place, state = P .. 'n:' .. node, 'l:' .. q, P .. 'st:' .. q
local fresh = text(BASE - ttl)
local out, given = {}, {}

local function stream_of(lane) return P .. 's:' .. q .. ':' .. lane end

-- give adds a leased entry to the answer.
local function give(lane, sid, fields, count)
  local item = { tonumber(lane), count, sid, fields }
  for i = 3, #fields, 2 do
    if fields[i] == 'B' then item[5] = call('HGET', P .. 'ib:' .. q, sid) end
  end
  out[#out + 1] = item
  given[#given + 1] = lane .. ':' .. sid .. ':' .. count
end

-- begin starts the leases of entries that are pending already.
local function begin(lane, sids)
  local command = { 'XCLAIM', stream_of(lane), GROUP, holder, '0' }
  for _, sid in ipairs(sids) do command[#command + 1] = sid end
  command[#command + 1] = 'IDLE'
  command[#command + 1] = fresh
  command[#command + 1] = 'JUSTID'
  call(unpack(command))
end

local known = call('HMGET', state, 'served', 'scan')
local served, scan = tonumber(known[1] or 0), tonumber(known[2] or 0)
local began, planned = served, scan
if scan == 0 then scan = math.huge end

-- 1. What an answer held that never arrived.
local last = call('HGET', memo, place)
if last then
  local before, list = string.match(last, '^(%S+) ?(.*)$')
  if before ~= seen then
    for lane, sid, count in string.gmatch(list, '(%d):(%d+%-%d+):(%d+)') do
      local pending = call('XPENDING', stream_of(lane), GROUP, sid, sid, 1)[1]
      if pending and pending[4] == tonumber(count) then
        begin(lane, { sid })
        give(lane, sid, call('XRANGE', stream_of(lane), sid, sid)[1][2], tonumber(count))
      end
    end
  end
end

-- 2. What is due now goes into its lane.
for _, raw in ipairs(call('ZRANGEBYSCORE', P .. 'du:' .. q, '-inf', now, 'LIMIT', 0, 1000)) do
  call('ZREM', P .. 'du:' .. q, raw)
  line(q, unpack_item(raw))
end

-- 3. Leases that may have ended: take them over, then look when the next one may.
local function reclaim(lane)
  local stream, cursor = stream_of(lane), '0-0'
  repeat
    local got = pcall('XAUTOCLAIM', stream, GROUP, holder, BASE, cursor, 'COUNT', most - #out)
    if got.err then return end -- no such lane yet
    cursor = got[1]
    local sids = {}
    for _, e in ipairs(got[2]) do
      if e and e[2] then
        sids[#sids + 1] = e[1]
        give(lane, e[1], e[2], call('XPENDING', stream, GROUP, e[1], e[1], 1)[1][4])
      end
    end
    if #sids > 0 then begin(lane, sids) end
  until cursor == '0-0' or #out >= most
  if #out >= most then
    scan = now
    return
  end
  for _, p in ipairs(call('XPENDING', stream, GROUP, '-', '+', 100000)) do
    scan = math.min(scan, now + BASE - p[3])
  end
end

if now >= scan and #out < most then
  scan = math.huge
  for lane = 0, LANES do
    if #out < most then reclaim(lane) end
  end
end

-- 4. The line: low lanes first; every eighth hand-out begins with another lane,
-- each in its turn, so that none starves.
local function read(lane, n)
  local stream = stream_of(lane)
  local command = { 'XREADGROUP', 'GROUP', GROUP, holder, 'COUNT', text(n), 'STREAMS', stream, '>' }
  local got = pcall(unpack(command))
  if got and got.err then
    if not string.find(got.err, 'NOGROUP', 1, true) then error(got.err) end
    call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
    call('SADD', P .. 'queues', q)
    got = call(unpack(command))
  end
  if not got then return 0 end
  local entries, sids = got[1][2], {}
  for i, e in ipairs(entries) do
    give(lane, e[1], e[2], 1)
    sids[i] = e[1]
  end
  begin(lane, sids)
  scan = math.min(scan, now + ttl)
  return #entries
end

while #out < most do
  local want, start = most - #out, 0
  local regular = 7 - served % 8
  if regular > 0 then
    want = math.min(want, regular)
  else
    want, start = 1, 1 + math.floor(served / 8) % LANES
  end
  local n = 0
  for i = 0, LANES do
    if n < want then n = n + read((start + i) % (LANES + 1), want - n) end
  end
  if n == 0 then break end
  served = (served + n) % (8 * LANES)
end

if #out > 0 then scan = math.min(scan, now + ttl) end
if scan == math.huge then scan = 0 end
if served ~= began or scan ~= planned then call('HSET', state, 'served', text(served), 'scan', text(scan)) end

if #out > 0 then
  call('HSET', memo, place, nonce .. ' ' .. table.concat(given, ' '))
  if prolong == '1' then call('EXPIRE', memo, KEEP) end
  return { -1, out }
end
call('HSET', P .. 'idle', 'q:' .. q, '1')
local wait = -1
if scan > 0 then wait = math.max(0, scan - now) end
local top = call('ZRANGE', P .. 'du:' .. q, 0, 0, 'WITHSCORES')
if top[2] then
  local left = math.max(0, tonumber(top[2]) - now)
  if wait < 0 or left < wait then wait = left end
end
return { wait, out }
