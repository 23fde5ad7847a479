-- Gives a dead task all its attempts again.
--
-- ARGV  id
-- Returns its state after it; 'full' when the queue is; nil when there is no such task.

local id = ARGV[1]
local key = task_key(id)
local state = redis.call('HGET', key, 'state')
if state ~= 'dead' then
  return state
end
if redis.call('XLEN', STREAM) + redis.call('ZCARD', DELAYED) + redis.call('ZCARD', LEASES) >= QUEUE_MAX then
  return 'full'
end
redis.call('HSET', key, 'attempt', 0, 'losses', 0) -- first: when Redis is full, this is refused, and nothing was written
redis.call('ZREM', DEAD, id)
redis.call('PERSIST', key)
redis.call('HDEL', key, 'finished', 'cancel', 'dedup', 'lost')
hand_out(id, key, now_ms())
count('retried')
return 'waiting'
