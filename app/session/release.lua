-- A task has ended its work on a session, or ends the session itself.
--
-- KEYS[1]  the session
-- ARGV[1]  the task
-- ARGV[2]  its generation
-- ARGV[3]  'end': removes the session as well
-- Returns 1; 0 when the claim is not, or no longer, this generation's.

local claim = KEYS[1] .. ':task:' .. ARGV[1]
if redis.call('HGET', claim, 'generation') ~= ARGV[2] then
  return 0
end
if ARGV[3] == 'end' then
  redis.call('DEL', KEYS[1])
else
  redis.call('DEL', claim)
end
return 1
