-- release hands an item back: as a new entry at the end of its lane, or among
-- those that are due later. In its group it stays the first.
-- ARGV: queue, token, delay ms, 1 to undo the delivery. Reply: 1, or 0 when the
-- lease was lost.
local q, token, delay, undo = arg(), arg(), num(), num()
local stream, sid, lane, flags = held(q, token)
if not stream then return 0 end
local count = tonumber(string.match(token, '^[^/]*/%d/(%d+)/'))
local item = read_entry(q, tonumber(lane), sid, call('XRANGE', stream, sid, sid)[1][2])
item.base, item.due = item.base + count - undo, now + delay
drop(q, stream, sid, flags)
line(q, item)
ring({ 'q:' .. q })
return 1
