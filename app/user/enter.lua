-- A session is about to be the user's: names it in the index, before its record says so.
--
-- KEYS[1]  the index: a sorted set of rids
-- ARGV[1]  the rid
-- ARGV[2]  how long a session of a user lives, in ms
-- ARGV[3]  the most sessions that the user may have, or '' when others end for this one, or for no limit
-- ARGV[4]  the number that this login was given before, with another rid; '' for none
-- Returns {status, number, how many others are named}.

local rid, lifetime, most, before = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local state = redis.call('HMGET', epoch, 'last', 'revoked')
if before and before < tonumber(state[2] or '0') then
  return {REVOKED}
end
local now = now_ms()
local old = redis.call('ZRANGE', index, '-inf', '(' .. whole(now - lifetime), 'BYSCORE', 'LIMIT', 0, CLEANED_MAX)
if #old > 0 then
  redis.call('ZREM', index, unpack(old))
end
local number = math.max(tonumber(state[1] or '0') + 1, now)
local is_new = redis.call('ZADD', index, whole(number), rid) == 1
local others = redis.call('ZCARD', index) - 1
if most and others >= most then
  if is_new then
    redis.call('ZREM', index, rid)
  end
  return {FULL, 0, others}
end
redis.call('HSET', epoch, 'last', whole(number))
keep_for(lifetime, now)
return {OK, before or number, others}
