-- Removes what is left of a task that has ended.
--
-- ARGV  id
-- Returns 'deleted'; the state of a task that is live, and is left alone; nil when there is no such task.

local id = ARGV[1]
local state = redis.call('HGET', task_key(id), 'state')
if state == 'dead' or state == 'done' or state == 'cancelled' then
  forget_dead({id})
  return 'deleted'
end
return state
