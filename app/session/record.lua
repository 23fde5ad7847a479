-- What the scripts of sessions share: the record and its header (docs/session-format.md). The worker puts this in front of
-- each of them, after the line
--   local IDLE_MS, ABSOLUTE_MS, USER_IDLE_MS, USER_ABSOLUTE_MS, FIELDS_MAX, VALUE_MAX, SIZE_MAX = ...
--
-- KEYS[1]  the session; every other key that a script touches has its identifier in braces, and so its slot

local OK, MISSING, LOGGED_OUT, STALE, SUPERSEDED, LIMIT, NOT_A_NUMBER, MOVED = 1, 2, 3, 4, 5, 6, 7, 8
local LOST, SKIPPED, STEPS, FOREIGN, APPLIED, OTHERS, REVOKED, ANOTHER_USER, STREAM = 10, 11, 12, 13, 14, 15, 16, 17, 18
local VERSION, HEADER_BYTES, LAYOUT = 2, 64, '>BBI4I4I6I6I6I6HI4'
local COMMIT_BYTES, COMMITS_KEPT, NO_COMMITS = 6, 4, string.rep('\0', 24)
local HAS_USER, HAS_DEADLINES, HAS_ABOUT, OWES_COOKIE = 1, 2, 4, 8 -- flags
local WATCH_SHIFT, WATCH_UNIT_MS, WATCH_UNITS = 16, 240000, 15 -- the upper four bits of them: header.h
local NUMBER_BYTES = 20 -- the longest number: what the value of a field counts at least
local LATE_MS = 30000 -- how long requests that were under way at a login or a logout may still come in

local key = KEYS[1]
local band, bor, bnot = bit.band, bit.bor, bit.bnot

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number)
  return string.format('%d', number)
end

-- What a field counts in the record's size: so much that a number never changes it.
local function size_of(field, value)
  return #field + math.max(#value, NUMBER_BYTES)
end

local function tombstone()
  return 'mid:e:' .. string.sub(key, 7)
end

-- The header as a table; nil when it is none that we know.
local function unpack_header(bytes)
  if #bytes ~= HEADER_BYTES or string.byte(bytes) ~= VERSION then
    return nil
  end
  local h = {}
  h.version, h.flags, h.generation, h.login, h.revision, h.touched, h.expires, h.renewed, h.fields, h.size =
    struct.unpack(LAYOUT, bytes)
  h.commits = string.sub(bytes, HEADER_BYTES - COMMIT_BYTES * COMMITS_KEPT + 1)
  return h
end

-- What another program has counted wrongly does not wrap round.
local function pack_header(h)
  h.fields, h.size = math.max(h.fields, 0), math.max(h.size, 0)
  return struct.pack(LAYOUT, VERSION, h.flags, h.generation, h.login, h.revision, h.touched, h.expires, h.renewed,
    h.fields, h.size) .. h.commits
end

-- Turns a record of format 1 into one of format 2 and returns its header; what is neither is left alone, and has none: ''.
local function upgrade()
  local flat = redis.call('HGETALL', key)
  local own, h = {}, {flags = 0, login = 1, fields = 0, size = 0, commits = NO_COMMITS}
  for at = 1, #flat, 2 do
    if string.sub(flat[at], 1, 1) == '@' then
      own[flat[at]] = flat[at + 1]
    else
      h.fields, h.size = h.fields + 1, h.size + size_of(flat[at], flat[at + 1])
    end
  end
  for _, name in ipairs({'generation', 'revision', 'touched', 'expires', 'renewed'}) do
    h[name] = tonumber(own['@' .. name])
    if not h[name] then
      return ''
    end
  end
  if own['@user'] and own['@user'] ~= '' then
    h.flags, h.login = HAS_USER, h.generation
  end
  local bytes = pack_header(h)
  redis.call('HSET', key, '@', bytes, '@created', own['@created'] or whole(h.renewed)) -- first, or the key might go
  redis.call('HDEL', key, '@generation', '@revision', '@touched', '@expires', '@renewed', '@commits', '@sum',
    h.flags == 0 and '@user' or '@sum')
  return bytes
end

-- The header's bytes, which may be none that we know; nil when there is no record.
local function read_header()
  return redis.call('HGET', key, '@') or (redis.call('EXISTS', key) == 1 and upgrade()) or nil
end

-- Why there is no record.
local function absence()
  return redis.call('EXISTS', tombstone()) == 1 and LOGGED_OUT or MISSING
end

-- The header and its bytes, if they were not read before; or nil, and what the script returns instead.
local function open_record(read)
  local bytes = read or read_header()
  if not bytes then
    return nil, nil, {absence()}
  end
  local h = unpack_header(bytes)
  return h, bytes, not h and {FOREIGN} or nil
end

-- A renewal for which no cookie could be sent leaves a record that owes one: the cookie of the generation before is
-- exchanged for it, by requests that can bring the new one. When that has come back, the old one is out, and those who
-- still come with it are late.
local function exchanges(h, generation)
  return band(h.flags, OWES_COOKIE) ~= 0 and generation == h.generation - 1
end

local function exchange_sign()
  return key .. ':exchanged'
end

local function end_exchange(h)
  h.flags = band(h.flags, bnot(OWES_COOKIE))
  redis.call('SET', exchange_sign(), '', 'PX', LATE_MS)
end

-- What a cookie of another generation is told: how long it has been out.
local function stale(h, bytes)
  return {STALE, bytes, redis.call('EXISTS', exchange_sign()) == 1 and 0 or now_ms() - h.renewed}
end

-- Until when commits are published, in the upper bits of the flags: whether that is not over.
local function is_watched(h, now)
  local last = math.floor(h.flags / WATCH_SHIFT) - 1
  return last >= 0 and (last - math.floor(now / WATCH_UNIT_MS)) % WATCH_UNITS < 2
end

local function watch_until(h, unit)
  h.flags = h.flags % WATCH_SHIFT + (unit and WATCH_SHIFT * (unit % WATCH_UNITS + 1) or 0)
end

-- Tells the workers (live/). One that may not be told, or does not hear it, finds out later.
local function publish(channel, message)
  redis.pcall('PUBLISH', channel, message)
end

local function publish_end()
  publish('mid:ended', key)
end

-- What keeps a login of the user out that was begun before all of the user's sessions were ended (app/user/index.h).
local function bar_key(user)
  return key .. ':bar:' .. redis.sha1hex(user)
end

-- The visitor was there: renews the idle lifetime, never past the absolute one.
local function touch(h, now)
  local idle = band(h.flags, HAS_USER) ~= 0 and USER_IDLE_MS or IDLE_MS
  h.touched = now
  if h.flags >= WATCH_SHIFT and not is_watched(h, now) then
    watch_until(h, nil)
  end
  redis.call('PEXPIREAT', key, whole(math.min(now + idle, h.expires)))
end

-- Whether a task of this generation has claimed the session, and holds it.
local function is_claimed(task, generation)
  local held = redis.call('HMGET', key .. ':task:' .. task, 'generation', 'until')
  return held[1] == generation and tonumber(held[2]) > now_ms()
end
