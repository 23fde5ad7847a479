-- The cookie of a renewal for which none could be sent has been seen: the one before it is out.
--
-- KEYS[1]  the session
-- ARGV[1]  the generation of the cookie
-- Returns {status, header}.

local h, bytes, refusal = open_record()
if not h then
  return refusal
end
if band(h.flags, OWES_COOKIE) ~= 0 and tonumber(ARGV[1]) == h.generation then
  end_exchange(h)
  bytes = pack_header(h)
  redis.call('HSET', key, '@', bytes)
end
return {OK, bytes}
