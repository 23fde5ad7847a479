-- Ends a session of a user, for who does not have it: another session of his, or whoever looks after the site. This runs
-- also when Redis has no room left. No sign stays behind, as a logout leaves it: the cookie is still in the browser, whose
-- user may log in again at once.
--
-- KEYS[1]  the session
-- ARGV[1]  the user; '' for whoever's it is
-- ARGV[2]  the number of the end of all his sessions: if this one is not his, it does not become his by a login that was
--          begun before; '' when only this one is ended
-- Returns {status, header, whose it was}: OTHERS when it is not his.

local BAR_MS = 600000 -- no login is under way for so long

local h, bytes, refusal = open_record()
if not h then
  return refusal
end
local user = band(h.flags, HAS_USER) ~= 0 and redis.call('HGET', key, '@user') or ''
if ARGV[1] ~= '' and user ~= ARGV[1] then
  if ARGV[2] ~= '' then
    redis.call('SET', bar_key(ARGV[1]), ARGV[2], 'PX', BAR_MS)
  end
  return {OTHERS, bytes, user}
end
redis.call('DEL', key)
publish_end()
return {OK, bytes, user}
