-- extend moves the end of leases to now + ttl.
-- ARGV: ttl ms, then queue and token of each. Reply: the numbers, from 1, of
-- those that are lost.
local ttl = math.min(num(), BASE)
local lost, soonest = {}, {}
for i = 1, (#ARGV - 1) / 2 do
  local q, token = arg(), arg()
  local stream, sid, _, _, consumer = held(q, token)
  if stream then
    call('XCLAIM', stream, GROUP, consumer, '0', sid, 'IDLE', text(BASE - ttl), 'JUSTID')
    if not soonest[q] then
      soonest[q] = true
      local scan = tonumber(call('HGET', P .. 'st:' .. q, 'scan') or 0)
      if scan > now + ttl then call('HSET', P .. 'st:' .. q, 'scan', text(now + ttl)) end
    end
  else
    lost[#lost + 1] = i
  end
end
return lost
