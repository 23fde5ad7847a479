-- What is behind an offset: whole entries, until they have as many bytes as were asked for, and one at least.
--
-- KEYS[1]  the stream
-- ARGV[1]  the offset; '' is the beginning of what is kept, 'now' the end
-- ARGV[2]  how many bytes; 0: none, only the state is asked for
-- ARGV[3]  '1' when this is a use, which begins the lifetime anew
-- Returns {status, tail, start, closed, incarnation, type, ttl, until, where it begins,
--   then of each entry the end, its bytes, and the name of its event or ''}.

local BATCH_MAX = 128

local there = redis.call('HMGET', key, 'tail', 'start', 'closed', 'incarnation', 'type', 'ttl', 'until', 'life')
if not there[1] then
  return {MISSING}
end
local tail, start = tonumber(there[1]), tonumber(there[2] or '0')
local at, budget = tonumber(ARGV[1]) or (ARGV[1] == 'now' and tail or start), tonumber(ARGV[2])
local status = at < start and TRIMMED or at > tail and BEYOND or OK
local reply = {status, tail, start, there[3] and 1 or 0, there[4], there[5], there[6] or '', there[7] or '', at}
if ARGV[3] == '1' then
  keep(there[8])
end

-- Entries are asked for in batches of about the size that is left, by the size of those before.
local bytes, count, batch = 0, 0, 1
while status == OK and bytes < budget and at < tail do
  local entries = redis.call('XRANGE', log, whole(at + 1), '+', 'COUNT', batch)
  if #entries == 0 then
    break -- somebody has taken entries away
  end
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    at = tonumber(string.match(entry[1], '^%d+'))
    bytes, count = bytes + #fields[2], count + 1
    reply[#reply + 1] = at
    reply[#reply + 1] = fields[2]
    reply[#reply + 1] = fields[4] or ''
    if bytes >= budget then
      break
    end
  end
  batch = math.max(1, math.min(BATCH_MAX, math.floor((budget - bytes) * count / bytes)))
end
return reply
