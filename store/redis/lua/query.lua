-- query reads a page of documents in the order of an index, all of one moment.
-- ARGV: collection, key of the index, lowest and highest member (as ZRANGEBYLEX
--   has them), 1 for descending, most, 1 for ids only.
-- Reply: members and records in turn; a record is revision:body or revision.
local collection, key, low, high = arg(), arg(), arg(), arg()
local descending, most, bare = arg() == '1', arg(), arg() == '1'
local members
if descending then
  members = call('ZREVRANGEBYLEX', P .. key, high, low, 'LIMIT', 0, most)
else
  members = call('ZRANGEBYLEX', P .. key, low, high, 'LIMIT', 0, most)
end
local out = {}
for from = 1, #members, 1000 do
  local ids = {}
  for i = from, math.min(from + 999, #members) do
    local id = string.match(members[i], '^.*%z(.*)$') or members[i]
    ids[#ids + 1] = bare and id .. '\0' or id
  end
  local records = call('HMGET', P .. 'd:' .. collection, unpack(ids))
  for i, record in ipairs(records) do
    if bare and record then record = string.match(record, '^%d+') end
    out[#out + 1] = members[from + i - 1]
    out[#out + 1] = record
  end
end
return out
