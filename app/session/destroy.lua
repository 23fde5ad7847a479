-- Ends a session for who has it: its record goes, and for a while there is a sign that it was ended on purpose, so that
-- requests which were under way do not each begin a new one. This runs also when Redis has no room left.
--
-- KEYS[1]  the session
-- ARGV[1]  the generation that the handle was opened with
-- ARGV[2]  '1' when that has to be the one of now, because it is a cookie's; '' when it only may not be from before a login
-- ARGV[3]  the task whose handle it is, or ''
-- ARGV[4]  that task's generation
-- Returns {status, header}, and third, with OK, whose it was; with STALE, for how many milliseconds the cookie
-- has been out: 0 if it was exchanged lately.

local h, bytes, refusal = open_record()
if not h then
  return refusal
end
local generation = tonumber(ARGV[1])
if ARGV[2] ~= '' and generation ~= h.generation and not exchanges(h, generation) then
  return stale(h, bytes)
end
if generation < h.login then
  return {SUPERSEDED, bytes}
end
if ARGV[3] ~= '' and not is_claimed(ARGV[3], ARGV[4]) then
  return {LOST, bytes}
end
local user = redis.call('HGET', key, '@user')
redis.call('DEL', key)
redis.call('SET', tombstone(), '', 'PX', LATE_MS)
publish_end()
return {OK, bytes, user}
