-- sweep removes consumers that have been idle for long and hold nothing.
-- ARGV: idle ms. Reply: how many went.
local idle, gone = num(), 0
for _, q in ipairs(call('SMEMBERS', P .. 'queues')) do
  for lane = 0, LANES do
    local stream = P .. 's:' .. q .. ':' .. lane
    local consumers = redis.pcall('XINFO', 'CONSUMERS', stream, GROUP)
    for _, c in ipairs(consumers.err and {} or consumers) do
      local f = {}
      for i = 1, #c, 2 do f[c[i]] = c[i + 1] end
      if f['pending'] == 0 and f['idle'] >= idle then
        gone = gone + 1
        call('XGROUP', 'DELCONSUMER', stream, GROUP, f['name'])
      end
    end
  end
end
return gone
