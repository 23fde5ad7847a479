-- The process that ran a task has ended under it, or has lost its lease.
--
-- ARGV  id, generation, who is to blame ('itself': the attempt is used; 'another' task of that process; 'nobody' is
--       known), what happened, pause in ms before the next attempt
-- Returns 1; 0 when there was nothing to recover.

local id, generation, to_blame, detail, pause = unpack(ARGV)
local key = task_key(id)
local now = now_ms()
local task = redis.call('HMGET', key, 'state', 'generation', 'attempt', 'attempts', 'lost', 'entry', 'cancel')
local state, attempt, attempts = task[1], tonumber(task[3]), tonumber(task[4])

if state == 'running' and task[2] == generation then
  if to_blame == 'nobody' then
    lose(id, key, detail, now)
    return 1
  end
  redis.call('ZREM', LEASES, id)
  if task[7] then
    finish(id, key, 'cancelled', now)
  elseif to_blame == 'another' then
    redis.call('HSET', key, 'attempt', whole(attempt - 1))
    redis.call('HINCRBY', key, 'displaced', 1)
    count('displaced')
    hand_out(id, key, now)
  elseif attempt >= attempts then
    count('failed')
    bury(id, key, 'MID_FAILED', detail, now)
  else
    count('failed')
    redis.call('HSET', key, 'error', 'MID_FAILED', 'detail', detail)
    hold_back(id, key, now + pause)
  end
  return 1
end

-- Its lease had ended before this was known, so it was handed out again, and a loss was counted: make that right.
if task[5] ~= generation or to_blame == 'nobody' or (state ~= 'waiting' and state ~= 'delayed' and state ~= 'running') then
  return 0
end
redis.call('HDEL', key, 'lost')
redis.call('HINCRBY', key, 'losses', -1)
if to_blame == 'another' then
  return 1
end
attempt = redis.call('HINCRBY', key, 'attempt', 1)
count('failed')
if state ~= 'running' and attempt >= attempts then
  remove_entry(task[6])
  redis.call('ZREM', DELAYED, id)
  bury(id, key, 'MID_FAILED', detail, now)
end
return 1
