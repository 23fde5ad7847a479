-- An attempt has failed: another one later, or the dead letters when it was the last.
--
-- ARGV  id, generation, error, detail, pause in ms before the next attempt; -1: no other attempt can help; -2: the task
--       ends as cancelled
-- Returns 1; 0 for who is not the owner.

local id, generation, err, detail, pause = unpack(ARGV)
local key = task_key(id)
if not is_owned(key, generation) then
  return 0
end
local now = now_ms()
local task = redis.call('HMGET', key, 'attempt', 'attempts', 'cancel')
redis.call('ZREM', LEASES, id)
redis.call('HSET', key, 'error', err, 'detail', detail)
count('failed')
if task[3] or pause == '-2' then
  finish(id, key, 'cancelled', now)
elseif pause == '-1' or tonumber(task[1]) >= tonumber(task[2]) then
  bury(id, key, err, detail, now)
else
  hold_back(id, key, now + pause)
end
return 1
