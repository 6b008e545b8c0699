-- events looks whether the event log goes beyond a number. ARGV: the number.
-- Reply: 1, or 0, and then the caller is noted as waiting.
if #call('XRANGE', P .. 'ev', text(num() + 1) .. '-0', '+', 'COUNT', 1) > 0 then return 1 end
call('HSET', P .. 'idle', 'e', 1)
return 0
