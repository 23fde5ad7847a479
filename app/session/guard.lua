-- Stands in front of the scripts of durable streams (journal/): a stream that belongs to a session is there for who may
-- use that session at this very moment. What a request from before a login, or after a logout, still sends is refused.
--
-- KEYS[1]  the stream, which has the session's identifier in braces
-- ARGV[1]  '' for a stream of nobody's session; or the generation of the handle, and behind it, for a task, the
--          generation and the identifier of that, with spaces between them
-- Returns {REFUSED, why}, where that is one of record.lua's statuses; or goes on.

if ARGV[1] ~= '' then
  local REFUSED = 16 -- of journal.lua's statuses
  local MISSING, LOGGED_OUT, SUPERSEDED, LOST, FOREIGN = 2, 3, 5, 10, 13
  local LOGIN, RECORD_BYTES, FORMAT = 7, 64, 2 -- where the header has the generation of the last login of another user
  local session = 'mid:s:' .. string.match(KEYS[1], '{%x+}')
  local generation, task_generation, task = string.match(ARGV[1], '^(%d+) ?(%d*) ?(.*)$')

  local function refusal()
    local header = redis.call('HGET', session, '@')
    if not header and redis.call('EXISTS', session) == 0 then
      return redis.call('EXISTS', 'mid:e:' .. string.sub(session, 7)) == 1 and LOGGED_OUT or MISSING
    end
    if not header or #header ~= RECORD_BYTES or string.byte(header) ~= FORMAT then
      return FOREIGN
    end
    if tonumber(generation) < struct.unpack('>I4', header, LOGIN) then
      return SUPERSEDED
    end
    if task ~= '' then
      local held = redis.call('HMGET', session .. ':task:' .. task, 'generation', 'until')
      local time = redis.call('TIME')
      if held[1] ~= task_generation or tonumber(held[2]) <= time[1] * 1000 + math.floor(time[2] / 1000) then
        return LOST
      end
    end
    return nil
  end

  local why = refusal()
  if why then
    return {REFUSED, why}
  end
end
