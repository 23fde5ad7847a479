-- What the scripts of a queue share: where a task is, and how it gets from one place to another. The worker puts this,
-- after the line
--   local LEASE_MS, KEEP_MS, DEAD_KEEP_MS, QUEUE_MAX, LOSSES_MAX = ...
-- in front of each of them, and before it the line
--   #!lua flags=allow-oom
-- for those that run when Redis is full (queue.h).
--
-- KEYS[1]  the queue, 'mid:q:{name}'. All keys of a queue begin with it, so they share a hash slot:
--   :task:ID   hash: the task. It is in exactly one of the next four places while it is live, by its field `state`:
--   :stream    waiting: one entry a task, {id}; the group `workers` hands it out
--   :delayed   delayed: ID by the time in ms at which it may begin
--   :leases    running: ID by the time in ms at which its worker has lost it
--   :dead      dead: ID by the time of its end, the newest at most QUEUE_MAX
--   :dedup:KEY the ID of the live task that has this key
--   :counts    what has happened to tasks, by name
-- What is done or cancelled is in no place: its hash goes by itself.

local queue = KEYS[1]
local STREAM, DELAYED, LEASES = queue .. ':stream', queue .. ':delayed', queue .. ':leases'
local DEAD, COUNTS, GROUP = queue .. ':dead', queue .. ':counts', 'workers'

local function task_key(id)
  return queue .. ':task:' .. id
end

local function whole(number)
  return string.format('%d', number)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function count(what)
  redis.call('HINCRBY', COUNTS, what, 1)
end

-- Any worker may take it.
local function hand_out(id, key, now)
  local entry = redis.call('XADD', STREAM, '*', 'id', id)
  redis.call('HSET', key, 'state', 'waiting', 'entry', entry, 'due', whole(now))
end

local function hold_back(id, key, due)
  redis.call('ZADD', DELAYED, whole(due), id)
  redis.call('HSET', key, 'state', 'delayed', 'due', whole(due))
end

local function remove_entry(entry)
  redis.pcall('XACK', STREAM, GROUP, entry)
  redis.call('XDEL', STREAM, entry)
end

local function leave_dedup(id, key)
  local dedup = redis.call('HGET', key, 'dedup')
  if dedup and redis.call('GET', queue .. ':dedup:' .. dedup) == id then
    redis.call('DEL', queue .. ':dedup:' .. dedup)
  end
end

-- The end, as `done` or `cancelled`: looked up for a while, then gone.
local function finish(id, key, state, now)
  leave_dedup(id, key)
  redis.call('HSET', key, 'state', state, 'finished', whole(now))
  redis.call('HDEL', key, 'payload')
  redis.call('PEXPIRE', key, KEEP_MS)
  count(state)
end

-- Dead letters by their time of death, those that are kept no longer; the record of one is gone by itself.
local function forget_expired(now)
  redis.call('ZREMRANGEBYSCORE', DEAD, '-inf', whole(now - DEAD_KEEP_MS))
end

local function forget_dead(ids)
  for _, id in ipairs(ids) do
    redis.call('ZREM', DEAD, id)
    redis.call('DEL', task_key(id))
  end
end

-- The end as a dead letter, with its payload, so that it can be tried again.
local function bury(id, key, err, detail, now)
  leave_dedup(id, key)
  redis.call('HSET', key, 'state', 'dead', 'finished', whole(now), 'error', err, 'detail', detail)
  redis.call('ZADD', DEAD, whole(now), id)
  redis.call('PEXPIRE', key, DEAD_KEEP_MS)
  count('dead')
  forget_expired(now)
  local excess = redis.call('ZCARD', DEAD) - QUEUE_MAX
  if excess > 0 then -- more than one only where the setting is a smaller one by now
    local oldest = redis.call('ZRANGE', DEAD, 0, math.min(excess, 100) - 1)
    forget_dead(oldest)
    redis.call('HINCRBY', COUNTS, 'trimmed', #oldest)
  end
end

-- The worker of a running task has gone, nobody knows why. The attempt is given back, since the task may be without
-- blame, and counted as a loss instead, of which there is a most.
local function lose(id, key, detail, now)
  redis.call('ZREM', LEASES, id)
  count('lost')
  local losses = redis.call('HINCRBY', key, 'losses', 1)
  redis.call('HSET', key, 'lost', redis.call('HGET', key, 'generation')) -- see recover.lua
  redis.call('HINCRBY', key, 'attempt', -1)
  if redis.call('HGET', key, 'cancel') then
    finish(id, key, 'cancelled', now)
  elseif losses > LOSSES_MAX then
    bury(id, key, 'MID_LOST_LEASE', detail, now)
  else
    redis.call('HSET', key, 'detail', detail)
    hand_out(id, key, now)
  end
end

-- Whether the task is running and its generation is this one: who lost the lease does nothing to it.
local function is_owned(key, generation)
  local task = redis.call('HMGET', key, 'state', 'generation')
  return task[1] == 'running' and task[2] == generation
end

