-- Renews a session's idle lifetime, because its visitor was there; never that of one that has ended.
--
-- KEYS[1]  the session
-- Returns {status, header}.

local bytes = read_header()
if not bytes then
  return {MISSING}
end
local h = unpack_header(bytes)
if not h then
  return {FOREIGN}
end
touch(h, now_ms())
bytes = pack_header(h)
redis.call('HSET', key, '@', bytes)
return {OK, bytes}
