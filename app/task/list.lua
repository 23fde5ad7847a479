-- The tasks in one place, those first that are due or have ended first.
--
-- ARGV  state: waiting, delayed, running or dead; the most to return
-- Returns for each {id, state, name, attempt, attempts, progress, error, age in ms of the state}.

local state, most = ARGV[1], tonumber(ARGV[2])
local ids = {}
if state == 'waiting' then
  for _, entry in ipairs(redis.call('XRANGE', STREAM, '-', '+', 'COUNT', most)) do
    ids[#ids + 1] = entry[2][2]
  end
else
  local places = {delayed = DELAYED, running = LEASES, dead = DEAD}
  ids = redis.call('ZRANGE', places[state], 0, most - 1)
end
local since = {waiting = 'due', delayed = 'due', running = 'started', dead = 'finished'}
local now = now_ms()
local reply = {}
for _, id in ipairs(ids) do
  local task = redis.call('HMGET', task_key(id), 'state', 'name', 'attempt', 'attempts', 'progress', 'error',
    since[state])
  if task[1] then
    reply[#reply + 1] = {id, task[1], task[2], task[3], task[4], task[5] or '', task[6] or '',
      whole(now - (task[7] or now))}
  end
end
return reply
