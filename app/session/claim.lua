-- Lets a task write a session, for as long as its lease holds; the commits of its earlier generations are refused from now
-- on. The claim is a key of its own beside the session, so that the visitor's fields and their limits are not touched; it
-- also remembers which steps of the task were applied (commit.lua).
--
-- KEYS[1]  the session
-- ARGV[1]  the task
-- ARGV[2]  its generation
-- ARGV[3]  until when, in ms of the clock here, the lease holds
-- ARGV[4]  the generation that the session had when the task was added
-- Returns {status, header}: LOST when a later generation of the task has claimed it, SUPERSEDED when another visitor has
-- logged in since the task was added.

local h, bytes, refusal = open_record()
if not h then
  return refusal
end
if tonumber(ARGV[4]) < h.login then
  return {SUPERSEDED}
end
local claim = key .. ':task:' .. ARGV[1]
local held = redis.call('HGET', claim, 'generation')
if held and tonumber(held) > tonumber(ARGV[2]) then
  return {LOST}
end
redis.call('HSET', claim, 'generation', ARGV[2], 'until', ARGV[3])
redis.call('PEXPIREAT', claim, whole(h.expires + USER_ABSOLUTE_MS)) -- a login may prolong the session
return {OK, bytes}
