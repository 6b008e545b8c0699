-- stats counts the items of a queue.
-- ARGV: queue. Reply: {ready, leased, delayed, pushed ms of the oldest or ''}
local q = arg()
local after = '(' .. text(now)
local leased = call('ZCOUNT', P .. 'le:' .. q, after, '+inf')
local delayed = call('ZCOUNT', P .. 'du:' .. q, after, '+inf')
local pushed = ''
local _, number = oldest(q)
local raw = number and call('HGET', P .. 'it:' .. q, number)
if raw then pushed = text(unpack_item(raw).pushed) end
return { call('HLEN', P .. 'it:' .. q) - leased - delayed, leased, delayed, pushed }
