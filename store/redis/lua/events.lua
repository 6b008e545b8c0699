-- events reads the event log.
-- ARGV: number after which to start, most. Reply: entries as XRANGE has them;
-- when there are none the caller is noted as waiting.
local list = call('XRANGE', P .. 'ev', text(num() + 1) .. '-0', '+', 'COUNT', arg())
if #list == 0 then call('HSET', P .. 'idle', 'e', 1) end
return list
