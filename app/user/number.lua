-- A login begins, whose session is not known to be the user's before the password was checked: gives it a number.
--
-- KEYS[1]  the index
-- ARGV[1]  how long a session of a user lives, in ms
-- Returns {status, number}.

local number = take_number()
keep_for(tonumber(ARGV[1]))
return {OK, number}
