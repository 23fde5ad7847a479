-- A session is not the user's any more, or is not there.
--
-- KEYS[1]  the index
-- ARGV[1]  the rid
-- ARGV[2]  '1' when it is gone for good; '' when it is somebody else's, and may be about to be the user's again: a name
--          that was entered not long ago stays
-- Returns {status}.

local rid = ARGV[1]
if ARGV[2] == '1' or redis.call('ZADD', index, 'XX', 'CH', 'GT', whole(now_ms() - YOUNG_MS), rid) == 1 then
  redis.call('ZREM', index, rid)
end
return {OK}
