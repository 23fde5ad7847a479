-- The fast way of a commit: the header is the one that the worker believes in, so everything that the worker has computed
-- from it holds, and is written. This stands in front of record.lua and commit.lua, which are the slow way and know the
-- arguments; they are not even looked at when this is enough.
--
-- Returns {DONE}, with the sums of increments at the places of their operations, and the answer about the entry, if there
-- is one, before them; or goes on to the slow way having changed nothing.

local DONE = 9
local IS_WATCHED = 64 -- a flag of the terms
local EXACT = 9007199254740992 -- 2^53: Lua's numbers are exact below it
local FIRST = 4 + ENTRY_ARGUMENTS -- operation, of who is no task
local key = KEYS[1]

-- Whoever waits for a change is told the new header.
local function publish()
  if string.byte(ARGV[3], 17) % (2 * IS_WATCHED) >= IS_WATCHED then
    redis.pcall('PUBLISH', key, ARGV[2])
  end
end

-- One increment alone, which is what counters do: a single command that writes costs the append-only file half as much as
-- two. What is no number, or none that Lua can hold, goes the slow way.
local is_counter = ENTRY_ARGUMENTS == 0 and ARGV[4] == 'i' and #ARGV == 6
if is_counter and ARGV[2] ~= '' then
  local held = redis.call('HMGET', key, '@', ARGV[5])
  local number, by = held[1] == ARGV[1] and tonumber(held[2] or ''), tonumber(ARGV[6])
  if number and number < EXACT and number > -EXACT and by < EXACT and by > -EXACT then
    local sum = number + by
    if sum < EXACT and sum > -EXACT and string.format('%d', number) == held[2] then
      local text = string.format('%d', sum)
      redis.call('HSET', key, '@', ARGV[2], ARGV[5], text)
      publish()
      return {DONE, false, text}
    end
  end
end

-- The sum, or nil when it has to be found out the slow way: the field is no number, or may be a new one. A new field is
-- told by the number of the hash's fields, and an increment can only have made one if the sum is the increment.
local function increment(field, by)
  local sum = redis.pcall('HINCRBY', key, field, by)
  if type(sum) ~= 'number' then
    return nil
  end
  if sum == tonumber(by) and redis.call('HLEN', key) ~= struct.unpack('>H', string.sub(ARGV[3], 24)) then
    redis.call('HDEL', key, field)
    return nil
  end
  if sum >= EXACT or sum <= -EXACT then
    return redis.call('HGET', key, field)
  end
  return sum
end

local function write_as_believed()
  local reply, writes, removed = {DONE}, {key, '@', ARGV[2]}, {key}
  if ENTRY_ARGUMENTS > 0 then -- first, since it may be refused; the slow way says that
    local entry = append(unpack(ARGV, 4, FIRST - 1))
    if entry[1] ~= ENTRY_OK and entry[1] ~= ENTRY_REPEATED then
      return nil
    end
    reply[2], reply[3] = false, entry
  end
  for at = FIRST, #ARGV, 3 do
    local code, field, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    if code == 's' then
      writes[#writes + 1] = field
      writes[#writes + 1] = value
    elseif code == 'i' then -- at most one, the first, without an entry, so that nothing was written if it is refused
      local sum = increment(field, value)
      if not sum then
        return nil
      end
      reply[2], reply[3] = false, sum
    elseif code == 'd' then
      removed[#removed + 1] = field
    else -- append, with its bound
      local whole = (redis.call('HGET', key, field) or '') .. value
      writes[#writes + 1] = field
      writes[#writes + 1] = string.sub(whole, -tonumber(string.sub(code, 2)))
    end
  end
  redis.call('HSET', unpack(writes))
  if #removed > 1 then
    redis.call('HDEL', unpack(removed))
  end
  return reply
end

if ARGV[2] ~= '' and not is_counter and redis.call('HGET', key, '@') == ARGV[1] then
  local reply = write_as_believed()
  if reply then
    publish()
    return reply
  end
end
