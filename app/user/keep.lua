-- A user's session was used: makes sure that the index names it. It may not, when the session is older than the index or
-- that was lost; and a session from before an end of all sessions, which did not know of it, is to end now.
--
-- KEYS[1]  the index
-- ARGV[1]  the rid
-- ARGV[2]  how long a session of a user lives, in ms
-- ARGV[3]  the time of its login
-- Returns {status}.

local rid, lifetime, login = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('ZADD', index, 'NX', whole(login), rid) == 0 then
  return {OK}
end
if login < revoked() then
  redis.call('ZREM', index, rid)
  return {REVOKED}
end
while redis.call('ZCOUNT', index, whole(login), whole(login)) > 1 do -- numbers are different
  login = login - 1
  redis.call('ZADD', index, whole(login), rid)
end
keep_for(lifetime)
return {OK}
