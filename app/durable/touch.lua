-- A stream is used: its lifetime begins anew.
--
-- KEYS[1]  the stream
-- Returns {status}.

keep(redis.call('HGET', key, 'life'))
return {OK}
