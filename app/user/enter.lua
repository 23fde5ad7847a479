-- A session is about to be the user's: names it in the index, before its record says so. A session that is named already
-- keeps its number there, so that an end of all sessions which is under way finds it as before; confirm.lua raises it.
--
-- KEYS[1]  the index: a sorted set of rids
-- ARGV[1]  the rid
-- ARGV[2]  how long a session of a user lives, in ms
-- ARGV[3]  the most sessions that the user may have, or '' when others end for this one, or for no limit
-- ARGV[4]  the number that this login was given before; '' for none
-- Returns {status, number, how many others are named}.

local rid, lifetime, most, before = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if before and before < revoked() then
  return {REVOKED}
end
local score = take_number()
local is_new = redis.call('ZADD', index, 'NX', whole(score), rid) == 1
local others = redis.call('ZCARD', index) - 1
if most and others >= most and is_new then
  redis.call('ZREM', index, rid)
  return {FULL, 0, others}
end
redis.call('SET', login_key(rid), '', 'PX', LOGIN_MS)
keep_for(lifetime)
return {OK, before or score, others}
