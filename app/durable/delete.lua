-- Deletes a stream.
--
-- KEYS[1]  the stream
-- ARGV[1]  the incarnation that is meant, or '' for any
-- Returns {status}.

local incarnation = redis.call('HGET', key, 'incarnation')
if not incarnation or (ARGV[1] ~= '' and ARGV[1] ~= incarnation) then
  return {MISSING}
end
redis.call('DEL', key, log)
return {OK}
