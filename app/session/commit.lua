-- Applies the operations of one commit to a session, in one atomic step: read once, compute, write once. The worker
-- puts the line
--   local IDLE_MS, FIELDS_MAX, VALUE_MAX = ...
-- in front of it. It runs for every commit, so numbers go to Redis as text made by '%d': Lua's own form costs a
-- microsecond.
--
-- KEYS[1]  the session
-- ARGV[1]  the commit's identifier, 8 bytes, so that it can be repeated without being applied twice
-- ARGV[2]  '' for a first try; for a repeated one the revision that the worker knew before it, -1 if none
-- ARGV[3]  the generation of a cookie that was not yet compared with the record, or ''
-- ARGV[4]  if a visitor is there: the time in ms such that a session last touched before it is touched again; or ''
-- then four for each operation: its code, the field, and two arguments ('' for none). In front of the operations of a
-- task stands a fence: 'k', '@task:ID', the task's generation, and the name of the step that this commit is, or ''
--
-- Returns {status, revision, one result for each operation}; what is not OK has changed nothing.

local OK, ENDED, STALE, LIMIT, NOT_A_NUMBER, UNKNOWN, LOST, SKIPPED, STEPS = 0, 1, 2, 3, 4, 5, 6, 7, 8
local STEPS_MAX = 1000 -- of a task
local OWN_FIELDS = 8 -- the '@' fields of every record
local COMMIT_BYTES, COMMITS_KEPT = 8, 8 -- 64 bytes: with a longer value Redis gives up the compact form of a hash
local EXACT = 9007199254740992 -- 2^53: Lua's numbers are exact below it

local key = KEYS[1]
local names = {'@generation', '@revision', '@commits', '@touched', '@expires'}
for at = 5, #ARGV, 4 do
  names[#names + 1] = ARGV[at + 1]
end
local record = redis.call('HMGET', key, unpack(names))
local generation, revision, commits = record[1], tonumber(record[2]), record[3]
if not generation then
  return {ENDED}
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

if ARGV[3] ~= '' and ARGV[3] ~= generation and tonumber(ARGV[3]) < tonumber(generation) then
  return {STALE, now_ms() - tonumber(redis.call('HGET', key, '@renewed'))}
end

-- A step of a task is applied once, whichever attempt comes first.
local claim, step = nil, nil
if ARGV[5] == 'k' then
  claim = key .. ':' .. string.sub(ARGV[6], 2)
  if ARGV[8] ~= '' then
    step = 'step:' .. ARGV[8]
    local applied_by = redis.call('HGET', claim, step)
    if applied_by then
      return {SKIPPED, revision, applied_by == ARGV[1] and 1 or 0}
    end
  end
end

if ARGV[2] ~= '' then
  for at = 1, #commits, COMMIT_BYTES do
    if string.sub(commits, at, at + COMMIT_BYTES - 1) == ARGV[1] then -- applied before; tell what is there now
      local reply = {OK, revision}
      for i = 6, #names do
        reply[i - 3] = ARGV[4 * i - 19] == 'g' and tonumber(generation) or record[i]
      end
      return reply
    end
  end
  -- It was not applied if all commits since the known revision are still in the list; otherwise nobody can tell.
  local known = tonumber(ARGV[2])
  if not step and revision >= COMMITS_KEPT and (known < 0 or revision - known > COMMITS_KEPT) then
    return {UNKNOWN}
  end
end

if claim then
  local held = redis.call('HMGET', claim, 'generation', 'until')
  if held[1] ~= ARGV[7] or tonumber(held[2]) <= now_ms() then
    return {LOST}
  end
end
if step and redis.call('HLEN', claim) > STEPS_MAX + 1 then
  return {STEPS}
end

-- The sum of two whole numbers of 64 bits as text, or nil. Where Lua is not exact, Redis adds, in a field that goes
-- again.
local function sum(text, by)
  local a, b = tonumber(text), tonumber(by)
  if not a then
    return nil
  end
  if a > -EXACT and a < EXACT and b > -EXACT and b < EXACT and a + b > -EXACT and a + b < EXACT then
    return string.format('%d', a) == text and string.format('%d', a + b) or nil
  end
  redis.call('HSET', key, '@sum', text)
  local added = redis.pcall('HINCRBY', key, '@sum', by)
  local result = type(added) == 'number' and redis.call('HGET', key, '@sum') or nil
  redis.call('HDEL', key, '@sum')
  return result
end

-- Compute. `now` holds each touched field's value as it will be: false where there is none.
local before, now = {}, {}
local reply = {OK, revision + 1}
local writes = {
  key, '@revision', string.format('%d', revision + 1),
  '@commits', ARGV[1] .. string.sub(commits, 1, COMMIT_BYTES * (COMMITS_KEPT - 1)),
}
for i = 6, #names do
  local field = names[i]
  if now[field] == nil then
    before[field], now[field] = record[i], record[i]
  end
  local old = now[field]
  local code, first, second = ARGV[4 * i - 19], ARGV[4 * i - 17], ARGV[4 * i - 16]
  local new, result = old, 1
  if code == 'i' then
    new = sum(old or '0', first)
    if not new then
      return {NOT_A_NUMBER, field}
    end
    result = new
  elseif code == 's' then
    new = first
  elseif code == 'd' then
    new = false
  elseif code == 'a' then
    new = string.sub((old or '') .. first, -tonumber(second))
  elseif code == 'n' then
    if old then
      result = 0
    else
      new = first
    end
  elseif code == 'c' then
    if old == first then
      new = second
    else
      result = 0
    end
  elseif code == 'k' then
    result = 0
  elseif code == 't' then
    new, result = false, old
  elseif code == 'g' then -- renewal: the field is the user's name, or ''
    generation = tonumber(generation) + 1
    result = generation
    for _, own in ipairs({'@generation', generation, '@user', field, '@renewed', now_ms()}) do
      writes[#writes + 1] = own
    end
  end
  if new and #new > VALUE_MAX then
    return {LIMIT, field}
  end
  now[field] = new
  reply[i - 3] = result
end

-- Write.
local added, removed = 0, {}
for field, new in pairs(now) do
  if new and new ~= before[field] then
    added = added + (before[field] and 0 or 1)
    writes[#writes + 1] = field
    writes[#writes + 1] = new
  elseif before[field] and not new then
    removed[#removed + 1] = field
  end
end
if added > #removed and redis.call('HLEN', key) - OWN_FIELDS + added - #removed > FIELDS_MAX then
  return {LIMIT, ''}
end
local touch_ms = nil
if ARGV[4] ~= '' and tonumber(record[4]) < tonumber(ARGV[4]) then
  touch_ms = now_ms()
  writes[#writes + 1] = '@touched'
  writes[#writes + 1] = touch_ms
end
redis.call('HSET', unpack(writes))
if #removed > 0 then
  redis.call('HDEL', key, unpack(removed))
end
if step then
  redis.call('HSET', claim, step, ARGV[1])
end
if touch_ms then
  redis.call('PEXPIREAT', key, math.min(touch_ms + IDLE_MS, tonumber(record[5])))
end
return reply
