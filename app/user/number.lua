-- A login begins, before the password is checked: gives it a number that every later end of all exceeds, and no earlier one.
-- Nothing is stored, since anybody can begin a login of any name.
--
-- KEYS[1]  the index
-- Returns {status, number}.

return {OK, math.max(tonumber(redis.call('HGET', epoch, 'last') or '0'), now_ms() - 1)}
