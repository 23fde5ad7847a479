-- Cancels a task: at once if it does not run; a running one is told.
--
-- ARGV  id
-- Returns its state after it, 'running' if it was told; nil when there is no such task.

local id = ARGV[1]
local key = task_key(id)
local task = redis.call('HMGET', key, 'state', 'entry')
local state = task[1]
if state == 'waiting' then
  remove_entry(task[2])
elseif state == 'delayed' then
  redis.call('ZREM', DELAYED, id)
elseif state == 'running' then
  redis.call('HSET', key, 'cancel', 1)
  return state
else
  return state
end
finish(id, key, 'cancelled', now_ms())
return 'cancelled'
