-- What is behind an offset: whole entries, until they have as many bytes as were asked for, and one at least. Or a look at
-- the state alone. Nothing is written.
--
-- KEYS[1]  the stream
-- ARGV[2]  the offset; '' is the beginning of what is kept, 'now' the end
-- ARGV[3]  how many bytes; 0: none, only the state is asked for
-- ARGV[4]  the incarnation that is meant, or '' for any
-- Returns {status, tail, start, closed, incarnation, type, ttl, until, where it begins,
--   then of each entry the end, its bytes, and the name of its event or ''}.

local key, log = KEYS[1], log_of(KEYS[1])
local ENTRIES_MAX, BATCH_MAX = 512, 64

local there = redis.call('HMGET', key, 'tail', 'start', 'closed', 'incarnation', 'type', 'ttl', 'until', 'largest')
if not there[1] or (ARGV[4] ~= '' and ARGV[4] ~= there[4]) then
  return {MISSING}
end
local tail, start = tonumber(there[1]), tonumber(there[2] or '0')
local at, budget = tonumber(ARGV[2]) or (ARGV[2] == 'now' and tail or start), tonumber(ARGV[3])
local reply = {OK, tail, start, there[3] and 1 or 0, there[4], there[5], there[6] or '', there[7] or '', at}

-- Entries join. Where none begins at the offset, Redis has lost what was there, or the offset was never given.
local bytes, count, largest = 0, 0, math.max(1, tonumber(there[8] or '1'))
local function take(entries)
  for _, entry in ipairs(entries) do
    if bytes >= budget or start_of(entry) ~= at then
      return
    end
    at, bytes, count = end_of(entry), bytes + #entry[2][2], count + 1
    reply[#reply + 1] = at
    reply[#reply + 1] = entry[2][2]
    reply[#reply + 1] = entry[2][4] or ''
  end
end

if at < start or at > tail then
  reply[1] = at < start and TRIMMED or LOST
  return reply
end
while bytes < budget and at < tail and count < ENTRIES_MAX do
  local before = at
  local batch = math.max(1, math.min(BATCH_MAX, math.floor((budget - bytes) / largest)))
  take(redis.call('XRANGE', log, whole(at + 1), '+', 'COUNT', batch))
  if at == before then
    reply[1] = count == 0 and LOST or OK -- what was read before it is good
    return reply
  end
end
return reply
