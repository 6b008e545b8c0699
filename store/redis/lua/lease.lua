-- lease hands out items of a queue.
-- ARGV: queue, holder, most, ttl ms, node, nonce of the last answer that the node
--   has got for this queue, nonce of this request.
-- Reply: {ms until something is due or -1 (for an empty answer), {item...}} with
--   items {id, token, lane, group, deliveries, pushed ms, body}.
local q, holder, most, ttl = arg(), arg(), num(), num()
local node, seen, nonce = arg(), arg(), arg()
local memo, place = P .. 'n:' .. node, 'l:' .. q
local items, locks, ends = P .. 'it:' .. q, P .. 'lk:' .. q, P .. 'le:' .. q
local out, taken = {}, {}

-- give leases an entry and adds it to the answer. Its deliveries were counted
-- already when an earlier answer with it did not arrive.
local function give(seq, sid, lane, counted)
  local raw = call('HGET', items, seq)
  local stream = P .. 's:' .. q .. ':' .. lane
  if not raw then -- nothing is known of it: a stray
    call('XACK', stream, GROUP, sid)
    call('XDEL', stream, sid)
    call('ZREM', ends, seq)
    return
  end
  local item = unpack_item(raw)
  local deliveries = lease_of(q, seq) or 0
  if not counted then deliveries = deliveries + 1 end
  local token = table.concat({ seq, sid, lane, item.group ~= '' and 'G' or '-', nonce }, '/')
  call('HSET', locks, seq, text(deliveries) .. ':' .. token)
  call('ZADD', ends, now + ttl, seq)
  out[#out + 1] = { item.id, token, item.lane, item.group, deliveries, text(item.pushed), item.body }
  taken[#taken + 1] = seq
end

-- claim moves a pending entry to this consumer. One that the stream has lost goes
-- into line again.
local function claim(seq, sid, lane, counted)
  if #call('XCLAIM', P .. 's:' .. q .. ':' .. lane, GROUP, holder, 0, sid, 'JUSTID') > 0 then
    give(seq, sid, lane, counted)
    return
  end
  call('ZREM', ends, seq)
  call('HSET', locks, seq, text(lease_of(q, seq) or 0) .. ':')
  line(q, seq, lane, 0)
end

-- 1. What an answer held that never arrived.
local last = call('HGET', memo, place)
if last then
  local before, list = string.match(last, '^(%S+) ?(.*)$')
  if before ~= seen then
    for seq in string.gmatch(list, '%d+') do
      local _, token = lease_of(q, seq)
      local number, sid, lane = parse_token(token or '')
      if number and string.sub(token, -#before - 1) == '/' .. before then claim(seq, sid, lane, true) end
    end
  end
end

-- 2. What is due now goes into its lane.
for _, seq in ipairs(call('ZRANGEBYSCORE', P .. 'du:' .. q, '-inf', now, 'LIMIT', 0, 1000)) do
  call('ZREM', P .. 'du:' .. q, seq)
  local raw = call('HGET', items, seq)
  if raw then line(q, seq, unpack_item(raw).lane, 0) end
end

-- 3. Leases that have ended.
if #out < most then
  for _, seq in ipairs(call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, most - #out)) do
    local _, token = lease_of(q, seq)
    local number, sid, lane = parse_token(token or '')
    if number then
      claim(seq, sid, lane, false)
    else
      call('ZREM', ends, seq)
    end
  end
end

-- 4. The line: low lanes first, every eighth hand-out the oldest of any lane.
local function read(lane, n)
  local stream = P .. 's:' .. q .. ':' .. lane
  local command = { 'XREADGROUP', 'GROUP', GROUP, holder, 'COUNT', n, 'STREAMS', stream, '>' }
  local got = redis.pcall(unpack(command))
  if got and got.err then
    if not string.find(got.err, 'NOGROUP', 1, true) then error(got.err) end
    call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
    got = call(unpack(command))
  end
  if not got then return 0 end
  for _, e in ipairs(got[1][2]) do
    if e[2] then give(e[2][2], e[1], lane, false) end
  end
  return #got[1][2]
end

local served = tonumber(call('HGET', P .. 'st:' .. q, 'served') or 0)
local began = served
while #out < most do
  local regular = 7 - served % 8
  local n = 0
  if regular > 0 then
    local want = math.min(regular, most - #out)
    for lane = 0, LANES do
      if n < want then n = n + read(lane, want - n) end
    end
  else
    local lane = oldest(q)
    if lane then n = read(lane, 1) end
  end
  if n == 0 then break end
  served = served + n
end
if served > began then call('HSET', P .. 'st:' .. q, 'served', text(served % 8)) end

if #out > 0 then
  call('HSET', memo, place, nonce .. ' ' .. table.concat(taken, ' '))
  call('EXPIRE', memo, 3600)
  return { -1, out }
end
call('HSET', P .. 'idle', 'q:' .. q, 1)
local wait = -1
for _, key in ipairs({ ends, P .. 'du:' .. q }) do
  local top = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if top[2] then
    local left = math.max(0, tonumber(top[2]) - now)
    if wait < 0 or left < wait then wait = left end
  end
end
return { wait, out }
