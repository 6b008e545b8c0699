-- extend moves the end of leases to now + ttl.
-- ARGV: ttl ms, then queue and token of each. Reply: the numbers, from 1, of
-- those that are lost.
local ttl = num()
local lost = {}
for i = 1, (#ARGV - 1) / 2 do
  local q, token = arg(), arg()
  local seq, sid, lane = parse_token(token)
  local held = nil
  if seq then
    local _
    _, held = lease_of(q, seq)
  end
  if held == token then
    call('ZADD', P .. 'le:' .. q, 'XX', now + ttl, seq)
  else
    lost[#lost + 1] = i
  end
end
return lost
