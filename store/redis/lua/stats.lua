-- stats counts the items of a queue.
-- ARGV: queue. Reply: {ready, leased, delayed, pushed ms of the first ready item
-- or ''}
local q = arg()
local ready, leased, first, pushed = 0, 0, nil, ''
for lane = 0, LANES do
  local stream = P .. 's:' .. q .. ':' .. lane
  local there = call('XLEN', stream)
  if there > 0 then
    local after, pending = '0-0', 0
    for _, g in ipairs(call('XINFO', 'GROUPS', stream)) do
      local f = {}
      for i = 1, #g, 2 do f[g[i]] = g[i + 1] end
      if f['name'] == GROUP then after, pending = f['last-delivered-id'], f['pending'] end
    end
    ready, leased = ready + there - pending, leased + pending
    local e = call('XRANGE', stream, '(' .. after, '+', 'COUNT', 1)[1]
    local ms = e and tonumber(string.match(e[1], '^%d+'))
    if e and (not first or ms < first) then
      first, pushed = ms, text(read_entry(q, lane, e[1], e[2]).pushed)
    end
  end
end
local delayed = call('ZCARD', P .. 'du:' .. q)
local due = call('ZCOUNT', P .. 'du:' .. q, '-inf', now)
local behind = tonumber(call('HGET', P .. 'st:' .. q, 'behind') or 0)
return { ready + behind + due, leased, delayed - due, pushed }
