-- Deletes a stream.
--
-- KEYS[1]  the stream
-- Returns {status}.

local is_there = redis.call('EXISTS', key) == 1
redis.call('DEL', key, log)
return {is_there and OK or MISSING}
