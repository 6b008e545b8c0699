-- lock takes or renews a named lock.
-- ARGV: name, holder, ttl ms. Reply: 1 when holder has it now.
local key, holder, ttl = P .. 'l:' .. arg(), arg(), arg()
local has = call('GET', key)
if has and has ~= holder then return 0 end
call('SET', key, holder, 'PX', ttl)
return 1
