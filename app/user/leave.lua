-- A session is not the user's any more, or is not there.
--
-- KEYS[1]  the index
-- ARGV[1]  the rid
-- ARGV[2]  '1' when it is gone for good; '' when it is there and somebody else's, and may be about to be the user's again
-- Returns {status}.

local rid = ARGV[1]
if ARGV[2] == '1' or redis.call('EXISTS', login_key(rid)) == 0 then
  redis.call('ZREM', index, rid)
end
return {OK}
