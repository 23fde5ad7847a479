-- A login was stored: its session is named with its number from now on, unless an end of all sessions has come since it was
-- first named, which may be under way and has to find it.
--
-- KEYS[1]  the index
-- ARGV[1]  the rid
-- ARGV[2]  the login's number
-- Returns {status}.

local rid, number = ARGV[1], tonumber(ARGV[2])
redis.call('PEXPIRE', login_key(rid), SETTLED_MS)
local score = redis.call('ZADD', index, 'XX', 'INCR', 0, rid) -- as it is
if score and tonumber(score) > revoked() then
  redis.call('ZADD', index, 'XX', 'GT', whole(number), rid)
end
return {OK}
