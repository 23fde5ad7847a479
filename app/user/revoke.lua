-- All sessions of the user are to end: gives the number such that those named below it came before. This runs also when
-- Redis has no room left.
--
-- KEYS[1]  the index
-- ARGV[1]  how long a session of a user lives, in ms
-- Returns {status, number}.

local now = now_ms()
local number = math.max(tonumber(redis.call('HGET', epoch, 'last') or '0') + 1, now)
redis.call('HSET', epoch, 'last', whole(number), 'revoked', whole(number))
keep_for(tonumber(ARGV[1]), now)
return {OK, number}
