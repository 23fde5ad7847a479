-- Marks a stream as watched: what is appended from now on is published, for five minutes at most and for half of that at
-- least. Whoever waits uses it, so its lifetime begins anew.
--
-- KEYS[1]  the stream
-- ARGV[2]  the incarnation that is meant, or '' for any
-- Returns {status, tail, start, closed, incarnation, type}.

local WATCHED_MS = 300000
local there = redis.call('HMGET', KEYS[1], 'tail', 'start', 'closed', 'incarnation', 'type', 'watched', 'life')
if not there[1] or (ARGV[2] ~= '' and ARGV[2] ~= there[4]) then
  return {MISSING}
end
local now = now_ms()
if tonumber(there[6] or '0') < now + WATCHED_MS / 2 then
  redis.call('HSET', KEYS[1], 'watched', whole(now + WATCHED_MS))
end
keep(KEYS[1], there[7])
return {OK, there[1], there[2] or 0, there[3] or 0, there[4], there[5]}
