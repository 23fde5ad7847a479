-- Deletes a stream.
--
-- KEYS[1]  the stream
-- ARGV[2]  the incarnation that is meant, or '' for any
-- Returns {status}.

local there = redis.call('HMGET', KEYS[1], 'incarnation', 'watched')
if not there[1] or (ARGV[2] ~= '' and ARGV[2] ~= there[1]) then
  return {MISSING}
end
tell_watchers(KEYS[1], there[2], 'gone')
redis.call('DEL', KEYS[1], log_of(KEYS[1]))
return {OK}
