-- Renews a session's idle timeout, because its visitor was there; never past the absolute end, and never of one that has
-- ended. The worker puts the line
--   local IDLE_MS = ...
-- in front of it.
--
-- KEYS[1]  the session
-- Returns 1, or 0 when there is no such session.

local expires = redis.call('HGET', KEYS[1], '@expires')
if not expires then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], '@touched', now)
redis.call('PEXPIREAT', KEYS[1], math.min(now + IDLE_MS, tonumber(expires)))
return 1
