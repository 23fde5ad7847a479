-- A task has ended its work on a session, or ends the session itself.
--
-- KEYS[1]  the session
-- ARGV[1]  the task
-- ARGV[2]  its generation
-- ARGV[3]  'end': removes the session; the claim stays
-- Returns 1; 0 when the claim is not, or no longer, this generation's.

local claim = KEYS[1] .. ':task:' .. ARGV[1]
local held = redis.call('HMGET', claim, 'generation', 'until')
local time = redis.call('TIME')
if held[1] ~= ARGV[2] or (ARGV[3] == 'end' and tonumber(held[2]) <= time[1] * 1000 + math.floor(time[2] / 1000)) then
  return 0
end
if ARGV[3] == 'end' then
  redis.call('DEL', KEYS[1])
else
  redis.call('DEL', claim)
end
return 1
