-- Applies the operations of one commit to a session, in one atomic step. The worker puts the line
--   local IDLE_MS, TOUCH_AFTER_MS, FIELDS_MAX, VALUE_MAX = ...
-- in front of it.
--
-- KEYS[1]  the session
-- ARGV[1]  the commit's identifier, 8 bytes, so that it can be repeated without being applied twice
-- ARGV[2]  '' for a first try; for a repeated one the revision that the worker knew before it, -1 if none
-- ARGV[3]  the generation of a cookie that was not yet compared with the record, or ''
-- ARGV[4]  the worker's clock in ms if a visitor is there, to renew the idle timeout; or ''
-- then, for each operation: its code, the field, and its arguments
--
-- Returns {status, revision, one result for each operation}; what is not OK has changed nothing.

local OK, ENDED, STALE, LIMIT, NOT_A_NUMBER, UNKNOWN = 0, 1, 2, 3, 4, 5
local OWN_FIELDS = 8 -- the '@' fields of every record
local COMMIT_BYTES, COMMITS_KEPT = 8, 16
local EXACT = 9007199254740992 -- 2^53: Lua's numbers are exact below it

local key = KEYS[1]
local record = redis.call('HMGET', key, '@generation', '@revision', '@commits', '@touched', '@expires', '@renewed')
local generation, revision, commits = record[1], tonumber(record[2]), record[3]
if not generation then
  return {ENDED}
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

if ARGV[3] ~= '' and tonumber(ARGV[3]) < tonumber(generation) then
  return {STALE, now_ms() - tonumber(record[6])}
end

-- What stands behind a field's name: how many arguments, and what it does. A result of nil with a status is a refusal.
local created = false

local function set(field, value)
  if #value > VALUE_MAX then
    return nil, LIMIT
  end
  if redis.call('HSET', key, field, value) == 1 then
    created = true
  end
  return 1
end

local function text(number, field)
  if number > -EXACT and number < EXACT then
    return string.format('%.0f', number)
  end
  return redis.call('HGET', key, field)
end

local operations = {
  s = {1, set},
  d = {0, function(field)
    return redis.call('HDEL', key, field)
  end},
  i = {1, function(field, by)
    local number = redis.pcall('HINCRBY', key, field, by)
    if type(number) == 'table' then
      return nil, NOT_A_NUMBER
    end
    local value = text(number, field)
    if value == by then
      created = true -- perhaps: it may have been 0
    end
    return value
  end},
  a = {2, function(field, value, max)
    local all = (redis.call('HGET', key, field) or '') .. value
    if #all > tonumber(max) then
      all = string.sub(all, -tonumber(max))
    end
    return set(field, all)
  end},
  n = {1, function(field, value)
    if redis.call('HEXISTS', key, field) == 1 then
      return 0
    end
    return set(field, value)
  end},
  c = {2, function(field, expected, value)
    if redis.call('HGET', key, field) ~= expected then
      return 0
    end
    return set(field, value)
  end},
  t = {0, function(field)
    local value = redis.call('HGET', key, field)
    redis.call('HDEL', key, field)
    return value
  end},
  -- Renewal: the field is the user, or ''.
  g = {0, function(user)
    redis.call('HSET', key, '@user', user, '@renewed', now_ms())
    return redis.call('HINCRBY', key, '@generation', 1)
  end},
}

local function is_repeated()
  for at = 1, #commits, COMMIT_BYTES do
    if string.sub(commits, at, at + COMMIT_BYTES - 1) == ARGV[1] then
      return true
    end
  end
  return false
end

-- The fields that this commit touches, in order, and whether it is more than one operation.
local steps = {}
do
  local at = 5
  while at <= #ARGV do
    local operation = operations[ARGV[at]]
    steps[#steps + 1] = {operation[2], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at]}
    at = at + 2 + operation[1]
  end
end

if ARGV[2] ~= '' then
  if is_repeated() then
    local reply = {OK, revision}
    for i, step in ipairs(steps) do
      reply[i + 2] = step[5] == 'g' and tonumber(generation) or redis.call('HGET', key, step[2])
    end
    return reply
  end
  -- All commits since the known revision are still in the list, so it was not applied; otherwise nobody can tell.
  local known = tonumber(ARGV[2])
  if revision >= COMMITS_KEPT and (known < 0 or revision - known > COMMITS_KEPT) then
    return {UNKNOWN}
  end
end

-- One operation undoes itself by being refused; several need to know what was there before.
local before = {}
if #steps > 1 then
  for _, step in ipairs(steps) do
    if step[5] ~= 'g' then
      before[step[2]] = redis.call('HGET', key, step[2])
    end
  end
end

local function undo()
  for field, value in pairs(before) do
    if value then
      redis.call('HSET', key, field, value)
    else
      redis.call('HDEL', key, field)
    end
  end
end

local reply = {OK, revision + 1}
for i, step in ipairs(steps) do
  local result, refusal = step[1](step[2], step[3], step[4])
  if refusal then
    undo()
    return {refusal, step[2]}
  end
  reply[i + 2] = result == nil and false or result
end
if created and redis.call('HLEN', key) - OWN_FIELDS > FIELDS_MAX then
  if #steps == 1 then
    redis.call('HDEL', key, steps[1][2])
  end
  undo()
  return {LIMIT, ''}
end

commits = ARGV[1] .. string.sub(commits, 1, COMMIT_BYTES * (COMMITS_KEPT - 1))
if ARGV[4] ~= '' and tonumber(ARGV[4]) - tonumber(record[4]) > TOUCH_AFTER_MS then
  local now = now_ms()
  redis.call('HSET', key, '@revision', revision + 1, '@commits', commits, '@touched', now)
  redis.call('PEXPIREAT', key, math.min(now + IDLE_MS, tonumber(record[5])))
else
  redis.call('HSET', key, '@revision', revision + 1, '@commits', commits)
end
return reply
