-- Creates the record of a new session. The worker puts the line
--   local IDLE_MS, ABSOLUTE_MS = ...
-- in front of it.
--
-- KEYS[1]  the session
-- Returns {1, created_ms, expires_ms}, or {0} when there is such a session already.

if redis.call('EXISTS', KEYS[1]) == 1 then
  return {0}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expires = now + ABSOLUTE_MS
redis.call('HSET', KEYS[1], '@created', now, '@expires', expires, '@touched', now, '@generation', 1, '@renewed', now,
  '@revision', 0, '@commits', '', '@user', '')
redis.call('PEXPIREAT', KEYS[1], math.min(now + IDLE_MS, expires))
return {1, now, expires}
