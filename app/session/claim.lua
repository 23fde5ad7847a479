-- Lets a task write a session, for as long as its lease holds; the commits of its earlier generations are refused from now
-- on. The claim is a key of its own beside the session, so that the visitor's fields and their limits are not touched; it
-- also remembers which steps of the task were applied (commit.lua).
--
-- KEYS[1]  the session
-- ARGV[1]  the task
-- ARGV[2]  its generation
-- ARGV[3]  until when, in ms of the clock here, the lease holds
-- Returns 1; 0 when a later generation has claimed it; -1 when there is no such session.

local expires = redis.call('HGET', KEYS[1], '@expires')
if not expires then
  return -1
end
local claim = KEYS[1] .. ':task:' .. ARGV[1]
local held = redis.call('HGET', claim, 'generation')
if held and tonumber(held) > tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', claim, 'generation', ARGV[2], 'until', ARGV[3])
redis.call('PEXPIREAT', claim, expires)
return 1
