-- An append that is a step of its own.
--
-- KEYS[1]  the stream
-- ARGV[2]  and on: the words of `append`, in append.lua
-- Returns what that does.

return append(KEYS[1], unpack(ARGV, 2))
