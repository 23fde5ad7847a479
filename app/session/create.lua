-- Creates the record of a new session. To be told twice creates it once.
--
-- KEYS[1]  the session
-- Returns {status, header}.

local bytes = read_header()
if not bytes and absence() == LOGGED_OUT then -- this was under way for long
  return {LOGGED_OUT}
end
if not bytes then
  local now = now_ms()
  local h = {flags = 0, generation = 1, login = 1, revision = 0, expires = now + ABSOLUTE_MS, renewed = now, fields = 0,
    size = 0, commits = NO_COMMITS}
  h.touched = now
  bytes = pack_header(h)
  redis.call('HSET', key, '@', bytes, '@created', whole(now))
  touch(h, now)
end
return {unpack_header(bytes) and OK or FOREIGN, bytes}
