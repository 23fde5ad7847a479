-- What the scripts of durable streams share. The worker puts this in front of each of them.
--
-- KEYS[1]  the state of the stream, a hash. Beside it, KEYS[1] .. ':log', a stream of Redis: its entries, whose ids are the
--          offsets of their ends, in bytes from the beginning, so that the entries behind an offset are one XRANGE
--
-- Fields of the state:
--   type         the content type
--   tail, start  offsets: the end, and the beginning of what is kept; no `start` is 0
--   closed       '1': nothing is appended any more; `by`: the producer's append that closed it, 'EPOCH SEQ ID'
--   incarnation  of this stream, and not of one that had its name before
--   ttl, until   the lifetime that was asked for, in ms: since the last use, or a time
--   life         the lifetime that it has since the last use, where there is no `until`
--   most, trims  how many bytes it may have; '1': the oldest entries go for new ones, which are refused otherwise
--   seq          the last Stream-Seq
--   p:ID         of each producer: 'EPOCH SEQ' of its last append
--   name, owner  for lists

local OK, EXISTS, MISSING, CONFLICT, CLOSED, TYPE, ORDER = 1, 2, 3, 4, 5, 6, 7
local DUPLICATE, STALE, GAP, NEW_EPOCH, FULL, CROWDED, TRIMMED, BEYOND = 8, 9, 10, 11, 12, 13, 14, 15

local key, log = KEYS[1], KEYS[1] .. ':log'

local function whole(number)
  return string.format('%d', number)
end

-- Another use of the stream begins its lifetime anew.
local function keep(life)
  if life then
    redis.call('PEXPIRE', key, life)
    redis.call('PEXPIRE', log, life)
  end
end

-- An entry behind the tail. Those before it that `most` leaves no room for go; returns the new tail and the new start.
local function add(data, event, tail, start, most)
  tail = tail + #data
  local command = {'XADD', log}
  if most and tail - start > most then
    local first = redis.call('XRANGE', log, whole(tail - most + 1), '+', 'COUNT', 1)[1]
    local last_to_go = tail - #data
    if first then
      local first_end = tonumber(string.match(first[1], '^%d+'))
      local first_start = first_end - #first[2][2]
      last_to_go = first_start < tail - most and first_end or first_start
    end
    start = last_to_go
    command[3], command[4], command[5] = 'MINID', '=', whole(start + 1)
  end
  command[#command + 1] = whole(tail) .. '-0'
  command[#command + 1] = 'd'
  command[#command + 1] = data
  if event ~= '' then
    command[#command + 1] = 'e'
    command[#command + 1] = event
  end
  redis.call(unpack(command))
  return tail, start
end
