-- What the scripts of a user's index share. The worker puts this in front of each of them.
--
-- The index names at least the sessions that the user has: a session is named before it is the user's, and whoever meets
-- a name without a session takes it away. Logins, and ends of all sessions, have numbers that only rise, beginning with the
-- time: whose number is below that of the last end of all came before it.
--
-- KEYS[1]  the index, mid:u:{USER}; the hash beside it has the last number, and that of the last end of all

local OK, FULL, REVOKED = 1, 2, 3
local LOGIN_MS = 300000 -- no login is under way for so long
local SETTLED_MS = 30000 -- who has found the record to be another's before a login was stored says so by then

local index, epoch = KEYS[1], KEYS[1] .. ':epoch'

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number)
  return string.format('%d', number)
end

local function take_number()
  local number = math.max(tonumber(redis.call('HGET', epoch, 'last') or '0') + 1, now_ms())
  redis.call('HSET', epoch, 'last', whole(number))
  return number
end

-- The number of the last end of all sessions; 0 for none.
local function revoked()
  return tonumber(redis.call('HGET', epoch, 'revoked') or '0')
end

-- While it is there, the session may be about to be the user's.
local function login_key(rid)
  return index .. ':login:' .. rid
end

-- Both live for as long as the newest session may, and a little longer than a clock may be wrong.
local function keep_for(lifetime)
  local until_ms = whole(now_ms() + lifetime + 3600000)
  for _, key in ipairs({index, epoch}) do
    redis.call('PEXPIREAT', key, until_ms, 'NX')
    redis.call('PEXPIREAT', key, until_ms, 'GT')
  end
end
