-- A task's work is done.
--
-- ARGV  id, generation, progress or '', result or ''
-- Returns 1, also when it is told again; 0 for who is not the owner.

local id, generation, progress, result = unpack(ARGV)
local key = task_key(id)
local task = redis.call('HMGET', key, 'state', 'generation')
if task[2] ~= generation or (task[1] ~= 'running' and task[1] ~= 'done') then
  return 0
end
if task[1] == 'done' then
  return 1
end
redis.call('ZREM', LEASES, id)
if progress ~= '' then
  redis.call('HSET', key, 'progress', progress)
end
if result ~= '' then
  redis.call('HSET', key, 'result', result)
end
finish(id, key, 'done', now_ms())
return 1
