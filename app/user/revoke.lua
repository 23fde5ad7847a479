-- All sessions of the user are to end, but perhaps for one: gives the number such that those named below it came before.
-- The one that goes on is named above it. This runs also when Redis has no room left.
--
-- KEYS[1]  the index
-- ARGV[1]  how long a session of a user lives, in ms
-- ARGV[2]  the rid of the one that goes on, or ''
-- Returns {status, number}.

local before = revoked()
local number = take_number()
redis.call('HSET', epoch, 'revoked', whole(number))
if ARGV[2] ~= '' then
  local score = redis.call('ZADD', index, 'XX', 'INCR', 0, ARGV[2]) -- as it is
  if not score or tonumber(score) > before then -- otherwise an earlier end, which may be under way, has to find it
    redis.call('ZADD', index, whole(take_number()), ARGV[2])
  end
end
keep_for(tonumber(ARGV[1]))
return {OK, number}
