-- Applies the operations of one commit to a session, in one atomic step: read once, compute, write once. This is the slow
-- way, which takes the record as it is; the fast one is believed.lua, before it.
--
-- KEYS[1]  the session
-- ARGV[1]  the header that the worker believes in, and
-- ARGV[2]  the one that the commit makes of it; '' when the worker cannot tell, and the slow way is the only one
-- ARGV[3]  the terms, below
-- then, in the script for commits with an entry of a durable stream of the session's (ENTRY_ARGUMENTS is 0 otherwise):
-- the stream, and the words of `append`, in journal/append.lua
-- then, if the terms say that it is a task's: the task, its generation, and the step that this commit is, or ''
-- then three for each operation: its code, the field, and its value or ''
--
-- The terms, big-endian: the commit's identifier, 6 bytes; the revision that the worker knew before it first sent the
-- commit, 6; the generation of the session that its handle was opened with, 4; flags, 1; the time such that a session last
-- touched before it is touched again, 6; how many fields the hash has if the header holds, 2.
--
-- Returns {status, header, results}, the result of the first operation third, or fourth, behind the answer about the entry
-- if there is one; with APPLIED, what an earlier try has done, they are the values of now, and the state of the
-- stream. With another status nothing was changed; with STREAM, the third says why the entry was refused.

local IS_COOKIE, KNOWS_REVISION, MUST_HOLD, IS_ACTIVITY, IS_TASK, IS_ONLY_LOOKED_FOR = 1, 2, 4, 8, 16, 32
local IS_WITHOUT_COOKIE = 128 -- no cookie can be sent
local STEPS_MAX = 1000 -- of a task

local id, known, generation, flags, touch_before = struct.unpack('>c6I6I4BI6', ARGV[3])
local first, task, task_generation, step = 4 + ENTRY_ARGUMENTS, nil, nil, ''
if band(flags, IS_TASK) ~= 0 then
  task, task_generation, step = ARGV[first], ARGV[first + 1], ARGV[first + 2]
  first = first + 3
end
local has_entry = ENTRY_ARGUMENTS > 0
local results_at = has_entry and 4 or 3 -- in the reply

local names = {'@'}
for at = first, #ARGV, 3 do
  names[#names + 1] = ARGV[at + 1]
end
local record = redis.call('HMGET', key, unpack(names))
local h, bytes, refusal = open_record(record[1])
if not h then
  return refusal
end

-- Fields whose lifetime is over go before anybody sees them.
local function drop_expired()
  local now, deadlines, dropped = now_ms(), 0, {}
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 7) == '@until:' then
      deadlines = deadlines + 1
      if tonumber(redis.call('HGET', key, name)) <= now then
        local field = string.sub(name, 8)
        local value = redis.call('HGET', key, field)
        if value then
          h.fields, h.size = h.fields - 1, h.size - size_of(field, value)
        end
        dropped[#dropped + 1] = name
        dropped[#dropped + 1] = field
        deadlines = deadlines - 1
      end
    end
  end
  if deadlines == 0 then
    h.flags = band(h.flags, bnot(HAS_DEADLINES))
  end
  if #dropped > 0 then
    redis.call('HDEL', key, unpack(dropped))
    bytes = pack_header(h)
    redis.call('HSET', key, '@', bytes)
    record = redis.call('HMGET', key, unpack(names))
  end
end
if band(h.flags, HAS_DEADLINES) ~= 0 then
  drop_expired()
end

-- The same login once more, by who did not hear of the first one, counts as that one.
local renewal = nil
for i = 2, #names do
  local code = ARGV[first + 3 * (i - 2)]
  if string.sub(code, 1, 1) == 'g' then
    renewal = {user = ARGV[first + 3 * (i - 2) + 2], of = record[i] or '', number = tonumber(string.sub(code, 2))}
  end
end
local is_without_cookie = band(flags, IS_WITHOUT_COOKIE) ~= 0
local is_repeated_login = renewal and not is_without_cookie and generation == h.generation - 1 and renewal.user ~= '' and
  h.login == h.generation and renewal.user == renewal.of and now_ms() - h.renewed <= LATE_MS

-- Was it applied before?
local is_applied = false
for at = 1, #h.commits, COMMIT_BYTES do
  is_applied = is_applied or string.sub(h.commits, at, at + COMMIT_BYTES - 1) == id
end
local claim = task and key .. ':task:' .. task
local applied_by = step ~= '' and redis.call('HGET', claim, 'step:' .. step)
if applied_by == id then
  return {APPLIED, bytes}
end
if is_applied then -- tell what is there now
  local reply = {APPLIED, bytes}
  if generation >= h.login then
    reply[3] = has_entry and look(ARGV[4], ARGV[3 + ENTRY_ARGUMENTS])
    for i = 2, #names do
      reply[results_at + i - 2] = record[i]
    end
  end
  return reply
end

-- May it be applied?
local is_cookie = band(flags, IS_COOKIE) ~= 0
local is_exchanged = is_cookie and not is_without_cookie and exchanges(h, generation)
if is_cookie and generation ~= h.generation and not is_exchanged and not is_repeated_login then
  return stale(h, bytes)
end
if generation < h.login and not is_repeated_login then
  return {SUPERSEDED, bytes}
end
if applied_by then
  return {SKIPPED, bytes}
end
if renewal and is_without_cookie and renewal.user ~= renewal.of then -- who knows the cookie might not be the visitor
  return {ANOTHER_USER, bytes}
end
local bar = renewal and not is_without_cookie and renewal.user ~= '' and redis.call('GET', bar_key(renewal.user))
if bar and renewal.number < tonumber(bar) then
  return {REVOKED, bytes}
end
if band(flags, IS_ONLY_LOOKED_FOR) ~= 0 then
  return {MOVED, bytes}
end
local ahead = band(flags, KNOWS_REVISION) ~= 0 and h.revision - known or 0
if ahead < 0 or ahead > (band(flags, MUST_HOLD) ~= 0 and 0 or COMMITS_KEPT) then -- below: Redis has lost its last second
  return {MOVED, bytes}
end
if task and not is_claimed(task, task_generation) then
  return {LOST, bytes}
end
if step ~= '' and redis.call('HLEN', claim) > STEPS_MAX + 1 then
  return {STEPS, bytes}
end

-- The sum of two whole numbers of 64 bits as text, or nil. Where Lua is not exact, Redis adds, in a field that goes
-- again.
local function sum(text, by)
  local a, b = tonumber(text), tonumber(by)
  if not a then
    return nil
  end
  if a > -EXACT and a < EXACT and b > -EXACT and b < EXACT and a + b > -EXACT and a + b < EXACT then
    return whole(a) == text and whole(a + b) or nil
  end
  redis.call('HSET', key, '@sum', text)
  local added = redis.pcall('HINCRBY', key, '@sum', by)
  local result = type(added) == 'number' and redis.call('HGET', key, '@sum') or nil
  redis.call('HDEL', key, '@sum')
  return result
end

-- Compute. `now` holds each touched field's value as it will be: false where there is none; `lifetime` the deadline of
-- those that get or lose one: false for none.
local before, now, lifetime = {}, {}, nil
local reply = {OK, bytes}
for i = 2, #names do
  local field = names[i]
  if now[field] == nil then
    before[field], now[field] = record[i], record[i]
  end
  local at = first + 3 * (i - 2)
  local old, code, value = now[field], ARGV[at], ARGV[at + 2]
  local new, result, ends_deadline = old, 1, false
  if code == 'i' then
    new = sum(old or '0', value)
    if not new then
      return {NOT_A_NUMBER, bytes, field}
    end
    result = new
  elseif code == 's' then
    new, ends_deadline = value, true
  elseif code == 'd' then
    new, ends_deadline = false, true
  elseif code == 't' then
    new, result, ends_deadline = false, old, true
  elseif code == 'n' then
    new, result = old or value, old and 0 or 1
  elseif code == 'b' then
    new, h.flags = value, bor(h.flags, HAS_ABOUT)
  else -- with a number behind the code
    local number = tonumber(string.sub(code, 2))
    code = string.sub(code, 1, 1)
    if code == 'g' then -- renew, and the number of the login
      new, result = value ~= '' and value or false, old or ''
    elseif code == 'a' then -- append, and how many bytes are kept
      new = string.sub((old or '') .. value, -number)
    elseif code == 'f' then -- set for so many milliseconds
      new, lifetime = value, lifetime or {}
      lifetime[field] = now_ms() + number
    elseif code == 'c' then -- compare and set: the expected value has so many bytes, the new one stands behind it
      if old == string.sub(value, 1, number) then
        new, ends_deadline = string.sub(value, number + 1), true
      else
        result = 0
      end
    end
  end
  if ends_deadline and (lifetime or band(h.flags, HAS_DEADLINES) ~= 0) then
    lifetime = lifetime or {}
    lifetime[field] = false
  end
  if new and new ~= old and #new > VALUE_MAX and string.sub(field, 1, 1) ~= '@' then
    return {LIMIT, bytes, field}
  end
  now[field] = new
  reply[results_at + i - 2] = result
end

local writes, removed = {key, '@', ''}, {key}
local fields, size = h.fields, h.size
for field, new in pairs(now) do
  local old = before[field]
  if new and new ~= old then
    writes[#writes + 1] = field
    writes[#writes + 1] = new
  elseif old and not new then
    removed[#removed + 1] = field
  end
  if string.sub(field, 1, 1) ~= '@' then
    fields = fields + (new and 1 or 0) - (old and 1 or 0)
    size = size + (new and size_of(field, new) or 0) - (old and size_of(field, old) or 0)
  end
end
if fields > FIELDS_MAX and fields > h.fields then
  return {LIMIT, bytes, '', 'fields'}
end
if size > SIZE_MAX and size > h.size then
  return {LIMIT, bytes, '', 'size'}
end
for field, deadline in pairs(lifetime or {}) do
  if deadline then
    h.flags = bor(h.flags, HAS_DEADLINES)
    writes[#writes + 1] = '@until:' .. field
    writes[#writes + 1] = whole(deadline)
  else
    removed[#removed + 1] = '@until:' .. field
  end
end

-- Write, the entry first: it may be refused.
if has_entry then
  local entry = append(unpack(ARGV, 4, 3 + ENTRY_ARGUMENTS))
  if entry.err then
    return entry
  end
  if entry[1] ~= ENTRY_OK and entry[1] ~= ENTRY_REPEATED then -- the latter closes what is closed
    return {STREAM, bytes, entry}
  end
  reply[3] = entry
end
h.fields, h.size, h.revision = fields, size, h.revision + 1
h.commits = id .. string.sub(h.commits, 1, COMMIT_BYTES * (COMMITS_KEPT - 1))
if is_cookie and generation == h.generation and band(h.flags, OWES_COOKIE) ~= 0 then
  end_exchange(h)
end
if renewal and is_without_cookie and band(h.flags, OWES_COOKIE) == 0 then -- otherwise the one that is owed is the new one
  h.flags, h.generation = bor(h.flags, OWES_COOKIE), h.generation + 1
end
if renewal and not is_without_cookie and not is_repeated_login then
  local time = now_ms()
  h.generation = h.generation + 1
  h.login = renewal.user ~= renewal.of and h.generation or h.login
  h.flags = renewal.user ~= '' and bor(h.flags, HAS_USER) or band(h.flags, bnot(HAS_USER))
  h.flags = band(h.flags, bnot(OWES_COOKIE))
  h.renewed, h.expires = time, time + (renewal.user ~= '' and USER_ABSOLUTE_MS or ABSOLUTE_MS)
  touch(h, time)
elseif band(flags, IS_ACTIVITY) ~= 0 and h.touched < touch_before then
  touch(h, now_ms())
end
local has_watchers = h.flags >= WATCH_SHIFT and is_watched(h, now_ms())
if not has_watchers then
  watch_until(h, nil)
end
writes[3] = pack_header(h)
reply[2] = writes[3]
redis.call('HSET', unpack(writes))
if #removed > 1 then
  redis.call('HDEL', unpack(removed))
end
if step ~= '' then
  redis.call('HSET', claim, 'step:' .. step, id)
end
if has_watchers then
  publish(key, writes[3])
end
if renewal and not is_repeated_login and h.login == h.generation then -- for the handles from before it
  publish_end()
end
return reply
