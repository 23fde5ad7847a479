-- A stream is used: its lifetime begins anew.
--
-- KEYS[1]  the stream
-- Returns {status}.

keep(KEYS[1], redis.call('HGET', KEYS[1], 'life'))
return {OK}
