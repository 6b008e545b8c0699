-- release hands an item back.
-- ARGV: queue, token, delay ms, 1 to undo the delivery. Reply: 1, or 0 when the
-- lease was lost.
local q, token, delay, undo = arg(), arg(), num(), arg() == '1'
local seq, sid, lane = parse_token(token)
if not seq then return 0 end
local deliveries, held = lease_of(q, seq)
if held ~= token then return 0 end
local stream = P .. 's:' .. q .. ':' .. lane
call('XACK', stream, GROUP, sid)
call('XDEL', stream, sid)
call('ZREM', P .. 'le:' .. q, seq)
if undo then deliveries = deliveries - 1 end
call('HSET', P .. 'lk:' .. q, seq, text(deliveries) .. ':')
line(q, seq, lane, now + delay)
ring('q:' .. q)
return 1
