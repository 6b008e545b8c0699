-- Functions on the lanes of a queue, shared by the scripts that follow the line.

-- first returns the id and number of the first entry of a lane that nobody has
-- taken, or nil.
local function first(q, lane)
  local stream = P .. 's:' .. q .. ':' .. lane
  if call('EXISTS', stream) == 0 then return nil end
  local after = '0-0'
  for _, g in ipairs(call('XINFO', 'GROUPS', stream)) do
    local f = {}
    for i = 1, #g, 2 do f[g[i]] = g[i + 1] end
    if f['name'] == GROUP then after = f['last-delivered-id'] end
  end
  local entry = call('XRANGE', stream, '(' .. after, '+', 'COUNT', 1)[1]
  if entry then return entry[1], entry[2][2] end
end

local function earlier(a, b)
  local ams, an = string.match(a, '^(%d+)-(%d+)$')
  local bms, bn = string.match(b, '^(%d+)-(%d+)$')
  if ams ~= bms then return tonumber(ams) < tonumber(bms) end
  return tonumber(an) < tonumber(bn)
end

-- oldest returns the lane whose first free entry is the oldest, or nil, and the
-- item's number.
local function oldest(q)
  local lane, id, number
  for l = 0, LANES do
    local eid, n = first(q, l)
    if eid and (not id or earlier(eid, id)) then lane, id, number = l, eid, n end
  end
  return lane, number
end
