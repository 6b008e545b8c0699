-- unlock gives a named lock back. ARGV: name, holder.
local key = P .. 'l:' .. arg()
if call('GET', key) == arg() then call('DEL', key) end
return 1
