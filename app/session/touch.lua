-- Renews a session's idle lifetime, because its visitor was there; never that of one that has ended.
--
-- KEYS[1]  the session
-- Returns {status, header}.

local h, bytes, refusal = open_record()
if not h then
  return refusal
end
touch(h, now_ms())
bytes = pack_header(h)
redis.call('HSET', key, '@', bytes)
return {OK, bytes}
