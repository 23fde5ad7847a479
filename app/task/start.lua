-- Makes the worker the owner of tasks that were handed out to it: the attempt is counted before the handler runs, and a
-- new generation ends whatever an earlier owner believes. When Redis is full, the first write refuses it as a whole.
--
-- ARGV  the worker's name; then entry and id of each task
-- Returns for each {id, generation, attempt, attempts, name, payload, rid, waited_ms, deadline_ms}, or {} when it is not to be
-- started: cancelled, or handed out twice.

local worker = ARGV[1]
local now = now_ms()
local reply, entries, begun = {}, {}, 0
for at = 2, #ARGV, 2 do
  local entry, id = ARGV[at], ARGV[at + 1]
  local key = task_key(id)
  local task = redis.call('HMGET', key, 'state', 'entry', 'generation', 'attempt', 'attempts', 'name', 'payload',
    'rid', 'due', 'deadline')
  local started = {}
  if task[1] == 'waiting' and task[2] == entry then
    local generation, attempt = task[3] + 1, task[4] + 1
    redis.call('HSET', key, 'state', 'running', 'generation', whole(generation), 'attempt', whole(attempt), 'worker',
      worker, 'started', whole(now))
    redis.call('ZADD', LEASES, whole(now + LEASE_MS), id)
    begun = begun + 1
    started = {id, generation, attempt, tonumber(task[5]), task[6], task[7], task[8], now - task[9],
      tonumber(task[10] or '0')}
  end
  entries[#entries + 1] = entry
  reply[#reply + 1] = started
end
redis.pcall('XACK', STREAM, GROUP, unpack(entries))
redis.call('XDEL', STREAM, unpack(entries))
redis.call('HINCRBY', COUNTS, 'started', begun)
return reply
