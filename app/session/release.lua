-- A task has ended its work on a session. This runs also when Redis has no room left.
--
-- KEYS[1]  the session
-- ARGV[1]  the task
-- ARGV[2]  its generation
-- Returns {status}: LOST when the claim is not, or no longer, this generation's.

local claim = key .. ':task:' .. ARGV[1]
if redis.call('HGET', claim, 'generation') ~= ARGV[2] then
  return {LOST}
end
redis.call('DEL', claim)
return {OK}
