-- Adds a task.
--
-- ARGV  id, name, payload, delay in ms, attempts, deduplication key or '', rid or '', id of the request,
--       deadline of an attempt in ms, or '0'
-- Returns {'OK', id}, also when that task was added before; {'OK', other} when `other` is live and has the same
-- deduplication key; {'FULL'}.

local id, name, payload, delay, attempts, dedup, rid, request, deadline = unpack(ARGV)
local key = task_key(id)
if redis.call('EXISTS', key) == 1 then
  return {'OK', id}
end
local dedup_key = queue .. ':dedup:' .. dedup
if dedup ~= '' then
  local other = redis.call('GET', dedup_key)
  if other and redis.call('EXISTS', task_key(other)) == 1 then
    count('duplicate')
    return {'OK', other}
  end
end
if redis.call('XLEN', STREAM) + redis.call('ZCARD', DELAYED) + redis.call('ZCARD', LEASES) >= QUEUE_MAX then
  count('refused')
  return {'FULL'}
end

local now = now_ms()
redis.call('HSET', key, 'name', name, 'payload', payload, 'attempts', attempts, 'attempt', 0, 'generation', 0,
  'losses', 0, 'rid', rid, 'request', request, 'created', whole(now), 'deadline', deadline)
if dedup ~= '' then
  redis.call('HSET', key, 'dedup', dedup)
  redis.call('SET', dedup_key, id)
end
if tonumber(delay) > 0 then
  hold_back(id, key, now + delay)
else
  hand_out(id, key, now)
end
count('accepted')
return {'OK', id}
