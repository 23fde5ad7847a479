-- Deletes a stream.
--
-- KEYS[1]  the stream
-- ARGV[2]  the incarnation that is meant, or '' for any
-- Returns {status}.

local incarnation = redis.call('HGET', KEYS[1], 'incarnation')
if not incarnation or (ARGV[2] ~= '' and ARGV[2] ~= incarnation) then
  return {MISSING}
end
redis.call('DEL', KEYS[1], log_of(KEYS[1]))
return {OK}
