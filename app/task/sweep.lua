-- What time brings about, a hundred tasks at a time: delayed tasks become due, leases end, and what was handed out to a
-- worker that died before it could start is handed out again; dead letters are forgotten. Makes the group of consumers if it is not there.
--
-- Returns {ms until something more is due, promoted, reclaimed}.

local BATCH = 100
local now = now_ms()

local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', whole(now), 'LIMIT', 0, BATCH)
for _, id in ipairs(due) do
  local key = task_key(id)
  redis.call('ZREM', DELAYED, id)
  if redis.call('HGET', key, 'state') == 'delayed' then
    hand_out(id, key, now)
  end
end

local lost = redis.call('ZRANGEBYSCORE', LEASES, '-inf', whole(now), 'LIMIT', 0, BATCH)
for _, id in ipairs(lost) do
  local key = task_key(id)
  if redis.call('HGET', key, 'state') == 'running' then
    lose(id, key, 'its worker was lost', now)
  else
    redis.call('ZREM', LEASES, id)
  end
end

local stuck = redis.pcall('XPENDING', STREAM, GROUP, 'IDLE', LEASE_MS, '-', '+', BATCH)
if stuck.err then -- from the first entry on: what was handed out and not started is handed out again
  redis.pcall('XGROUP', 'CREATE', STREAM, GROUP, 0, 'MKSTREAM')
  stuck = {}
end
for _, pending in ipairs(stuck) do
  local entry = pending[1]
  local found = redis.call('XRANGE', STREAM, entry, entry)
  remove_entry(entry)
  if found[1] then
    local id = found[1][2][2]
    local task = redis.call('HMGET', task_key(id), 'state', 'entry')
    if task[1] == 'waiting' and task[2] == entry then
      hand_out(id, task_key(id), now)
    end
  end
end

forget_expired(now)
if #due == BATCH or #lost == BATCH or #stuck == BATCH then
  return {0, #due, #lost}
end
local wait = 1000
for _, set in ipairs({DELAYED, LEASES}) do
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
  if first[2] then
    wait = math.min(wait, math.max(1, tonumber(first[2]) - now))
  end
end
return {wait, #due, #lost}
