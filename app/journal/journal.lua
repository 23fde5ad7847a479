-- What the scripts of durable streams share. The worker puts this in front of each of them, behind session/guard.lua.
--
-- KEYS[1]  the stream's state, a hash; or of a session's commit, the session. Beside the state, STREAM .. ':log', a stream
--          of Redis: its entries, whose ids are the offsets of their ends, in bytes from the beginning, so that the
--          entries behind an offset are one XRANGE
-- ARGV[1]  of a stream's scripts: on whose behalf, for the guard
--
-- Fields of the state:
--   type         the content type
--   tail, start  offsets: the end, and the beginning of what is kept; no `start` is 0
--   closed       '1': nothing is appended any more; `by`: the producer's append that closed it, 'EPOCH SEQ ID'
--   incarnation  of this stream, and not of one that had its name before
--   ttl, until   the lifetime that was asked for, in ms: since the last use, or a time
--   life, ends   the lifetime that it has: since the last use, or, where there is `until`, the time
--   most, trims  how many bytes it may have; '1': the oldest entries go for new ones, which are refused otherwise
--   largest      the size of its largest entry
--   seq          the last Stream-Seq
--   p:ID         of each producer: 'EPOCH SEQ' of its last append; SEQ -1 is before the first
--   watched      until when what is appended is published, in ms; on the channel of the stream's key
--   name, owner  for lists

local OK, EXISTS, MISSING, CONFLICT, CLOSED, TYPE, ORDER = 1, 2, 3, 4, 5, 6, 7
local DUPLICATE, STALE, GAP, NEW_EPOCH, FULL, CROWDED, TRIMMED, LOST = 8, 9, 10, 11, 12, 13, 14, 15

local ENTRY_BYTES, ENTRIES_LEAST = 16, 64 -- an entry takes memory besides its bytes, so they are limited, too
local PRODUCERS_MAX = 256

local function whole(number)
  return string.format('%d', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Tells the workers (durable/wait.c). One that may not be told, or does not hear it, finds out later.
local function tell_watchers(stream, watched, message)
  if not watched then
    return
  end
  if tonumber(watched) > now_ms() then
    redis.pcall('PUBLISH', stream, message)
  else
    redis.call('HDEL', stream, 'watched')
  end
end

local function log_of(stream)
  return stream .. ':log'
end

local function end_of(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

local function start_of(entry)
  return end_of(entry) - #entry[2][2]
end

local function entries_most(most)
  return math.max(ENTRIES_LEAST, math.floor(most / ENTRY_BYTES))
end

-- Another use of the stream begins its lifetime anew.
local function keep(stream, life)
  if life then
    redis.call('PEXPIRE', stream, life)
    redis.call('PEXPIRE', log_of(stream), life)
  end
end

-- The epoch and the number of a producer's field; nil where there is none.
local function numbers_of(field)
  local epoch, number = string.match(field or '', '^(%d+) (-?%d+)$')
  return tonumber(epoch), tonumber(number)
end

local function is_crowded(stream)
  local producers = 0
  for _, name in ipairs(redis.call('HKEYS', stream)) do
    producers = producers + (string.sub(name, 1, 2) == 'p:' and 1 or 0)
  end
  return producers >= PRODUCERS_MAX
end

-- Where the stream has to begin so that there is room for another entry of so many bytes.
local function start_with_room(log, bytes, tail, start, most)
  local least = tail + bytes - most
  if start < least then
    local first = redis.call('XRANGE', log, whole(least + 1), '+', 'COUNT', 1)[1]
    start = tail
    if first then
      start = start_of(first) < least and end_of(first) or start_of(first)
    end
  elseif redis.call('XLEN', log) >= entries_most(most) then
    start = end_of(redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1])
  end
  return start
end

-- An entry behind the tail, which it moves; what is before `start` goes if that is given.
local function add(log, data, event, tail, start)
  local command = {'XADD', log}
  local function say(...)
    for _, word in ipairs({...}) do
      command[#command + 1] = word
    end
  end
  if start then
    say('MINID', '=', whole(start + 1))
  end
  say(whole(tail + #data) .. '-0', 'd', data)
  if event ~= '' then
    say('e', event)
  end
  redis.call(unpack(command))
  return tail + #data
end
