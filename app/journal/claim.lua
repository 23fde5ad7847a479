-- A producer takes over: nothing that it has sent in an older epoch is stored any more, and of this epoch nothing up to a
-- number, whatever becomes of what is still on its way.
--
-- KEYS[1]  the stream
-- ARGV[2]  the producer
-- ARGV[3]  its epoch
-- ARGV[4]  the number, or '' for none
-- ARGV[5]  the incarnation that is meant, or '' for any
-- Returns {status, tail, start, closed, incarnation, type, epoch, seq}, as an append. A closed stream is left as it is.

local stream, name = KEYS[1], 'p:' .. ARGV[2]
local there = redis.call('HMGET', stream, 'tail', 'start', 'closed', 'incarnation', 'type', 'life', name)
if not there[1] or (ARGV[5] ~= '' and ARGV[5] ~= there[4]) then
  return {MISSING}
end
local known_epoch, known_seq = numbers_of(there[7])
local epoch, seq = tonumber(ARGV[3]), tonumber(ARGV[4]) or -1
local status = OK
if known_epoch and epoch < known_epoch then
  status, epoch, seq = STALE, known_epoch, known_seq
elseif not there[3] then
  seq = math.max(seq, known_epoch == epoch and known_seq or -1)
  if not known_epoch and is_crowded(stream) then
    status, epoch, seq = CROWDED, 0, -1
  elseif epoch ~= known_epoch or seq ~= known_seq then
    redis.call('HSET', stream, name, whole(epoch) .. ' ' .. whole(seq))
    keep(stream, there[6])
  end
else
  epoch, seq = known_epoch or 0, known_seq or -1
end
return {status, there[1], there[2] or 0, there[3] or 0, there[4], there[5], epoch, seq}
