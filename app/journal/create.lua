-- Creates a stream, with its first entry if there is one. A stream that is there, and is as it would be created, is taken
-- for it, whatever it has by now; so is one of the same incarnation, which is this one.
--
-- KEYS[1]  the stream
-- ARGV[2]  the content type
-- ARGV[3]  the lifetime since the last use that was asked for, in ms, or ''
-- ARGV[4]  the time at which it is to end, in ms, or ''
-- ARGV[5]  the lifetime that it has: since the last use, or, if it is to end at a time, that
-- ARGV[6]  how many bytes it may have
-- ARGV[7]  '1' when the oldest entries go for new ones
-- ARGV[8]  the incarnation
-- ARGV[9]  '1' when it is closed at once
-- ARGV[10] the first entry, or ''
-- ARGV[11] its name
-- ARGV[12] its owner
-- ARGV[13] '1' when one that has been closed since is as good
-- Returns {status, tail, start, closed, incarnation, type}.

local key, log = KEYS[1], log_of(KEYS[1])
local ttl, ends, most, closed, data = ARGV[3], ARGV[4], tonumber(ARGV[6]), ARGV[9], ARGV[10]
local there = redis.call('HMGET', key, 'tail', 'start', 'closed', 'incarnation', 'type', 'ttl', 'until')
if there[1] then
  local is_same = there[4] == ARGV[8] or there[5] == ARGV[2] and (there[6] or '') == ttl and (there[7] or '') == ends and
    (ARGV[13] == '1' or (there[3] or '') == closed)
  return {is_same and EXISTS or CONFLICT, there[1], there[2] or 0, there[3] or 0, there[4], there[5]}
end
if #data > most then
  return {FULL}
end
if redis.call('EXISTS', key) == 1 then
  return redis.error_reply('ERR this is no durable stream')
end

local fields = {'type', ARGV[2], 'tail', whole(#data), 'most', ARGV[6], 'incarnation', ARGV[8], 'name', ARGV[11], 'owner', ARGV[12]}
local function set(name, value)
  if value ~= '' then
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end
set('ttl', ttl)
set('until', ends)
set(ends == '' and 'life' or 'ends', ARGV[5])
set('largest', data ~= '' and whole(#data) or '')
set('trims', ARGV[7])
set('closed', closed)
redis.call('HSET', key, unpack(fields))
redis.call('DEL', log) -- of a stream before it, if only that was lost
if data ~= '' then
  add(log, data, '', 0, nil)
end
if ends ~= '' then
  redis.call('PEXPIREAT', key, ARGV[5])
  redis.call('PEXPIREAT', log, ARGV[5])
else
  keep(key, ARGV[5])
end
return {OK, #data, 0, closed ~= '' and 1 or 0, ARGV[8], ARGV[2]}
