-- Marks a session as watched: its commits are published from now on, for four to eight minutes.
--
-- KEYS[1]  the session
-- Returns {status, header}.

local h, bytes, refusal = open_record()
if not h then
  return refusal
end
local flags = h.flags
watch_until(h, math.floor(now_ms() / WATCH_UNIT_MS) + 1)
if h.flags ~= flags then
  bytes = pack_header(h)
  redis.call('HSET', key, '@', bytes)
end
return {OK, bytes}
