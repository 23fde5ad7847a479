-- The cookie of a renewal for which none could be sent has been seen: the one before it is out.
--
-- KEYS[1]  the session
-- ARGV[1]  the generation of the cookie
-- Returns {status, header}.

local bytes = read_header()
if not bytes then
  return {absence()}
end
local h = unpack_header(bytes)
if not h then
  return {FOREIGN}
end
if band(h.flags, OWES_COOKIE) ~= 0 and tonumber(ARGV[1]) == h.generation then
  end_exchange(h)
  bytes = pack_header(h)
  redis.call('HSET', key, '@', bytes)
end
return {OK, bytes}
