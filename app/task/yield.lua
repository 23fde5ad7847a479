-- A worker that stops gives a running task back, and its attempt.
--
-- ARGV  id, generation
-- Returns 1; 0 for who is not the owner.

local id, generation = unpack(ARGV)
local key = task_key(id)
if not is_owned(key, generation) then
  return 0
end
local now = now_ms()
redis.call('ZREM', LEASES, id)
redis.call('HINCRBY', key, 'attempt', -1)
count('yielded')
if redis.call('HGET', key, 'cancel') then
  finish(id, key, 'cancelled', now)
else
  hand_out(id, key, now)
end
return 1
