-- Appends an entry, closes the stream, or both. A producer's append that was stored before is not stored again.
--
-- data         the entry, or '' for none
-- event        the name of the event that it is, or ''
-- type         its content type, which has to be the stream's, or '' when that is known
-- order        the Stream-Seq, which has to be above the last one, byte by byte, or ''
-- producer     or ''
-- epoch, seq   its epoch, and the number of this append in the epoch, from 0; without a number ('') it may be stored for as
--              long as the producer has no newer epoch
-- closes       '1' when it closes the stream
-- incarnation  that is meant, or '' for any
-- Returns {status, tail, start, closed, incarnation, type, epoch, seq}; the last two as the producer has them now, 0 and
-- -1 before its first append. With another status than OK nothing was changed.

-- Lua's own comparison is that of the server's locale.
local function is_above(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x > y
    end
  end
  return #a > #b
end

local function append(stream, data, event, content_type, order, producer, epoch_text, seq_text, closes_text, incarnation)
  local log, closes = log_of(stream), closes_text == '1'
  local there = redis.call('HMGET', stream, 'tail', 'start', 'closed', 'incarnation', 'type', 'seq', 'by', 'life', 'most',
    'trims', 'ends', 'p:' .. producer, 'largest', 'watched')
  if not there[1] or (incarnation ~= '' and incarnation ~= there[4]) then
    return {MISSING}
  end
  local tail, start, most = tonumber(there[1]), tonumber(there[2] or '0'), tonumber(there[9])
  local epoch, seq = tonumber(epoch_text), tonumber(seq_text)
  if producer ~= '' and not epoch then
    return redis.error_reply('ERR a producer has an epoch')
  end
  local known_epoch, known_seq = numbers_of(there[12])

  local function answer(status)
    return {status, tail, start, there[3] and 1 or 0, there[4], there[5], known_epoch or 0, known_seq or -1}
  end

  -- A closed stream takes nothing, but what closed it may come again.
  local tuple = seq and epoch_text .. ' ' .. seq_text .. ' ' .. producer
  if there[3] then
    if known_epoch and epoch < known_epoch then
      return answer(STALE)
    end
    local is_again = tuple and tuple == there[7] or not tuple and data == ''
    return answer(is_again and DUPLICATE or CLOSED)
  end
  if data ~= '' and content_type ~= '' and content_type ~= there[5] then
    return answer(TYPE)
  end

  -- The producer's numbers: PROTOCOL.md, 5.2.1.
  if known_epoch and epoch < known_epoch then
    return answer(STALE)
  elseif seq and known_epoch and epoch > known_epoch and seq ~= 0 then
    return answer(NEW_EPOCH)
  elseif seq and known_epoch == epoch and seq <= known_seq then
    return answer(DUPLICATE)
  elseif seq and seq ~= (known_epoch == epoch and known_seq + 1 or 0) then
    known_seq = known_epoch == epoch and known_seq or -1
    return answer(GAP)
  end

  -- What is new: is it in order, and is there room?
  if order ~= '' and there[6] and not is_above(order, there[6]) then
    return answer(ORDER)
  end
  local is_entry, new_start = data ~= '', start
  local entries = is_entry and redis.call('XLEN', log)
  if entries == 0 then -- whatever was there, Redis has lost it
    new_start = tail
  end
  if #data > most or (not there[10] and is_entry and (tail - new_start + #data > most or entries >= entries_most(most))) then
    return answer(FULL)
  end
  if tuple and not known_epoch and is_crowded(stream) then
    return answer(CROWDED)
  end

  -- Write.
  if is_entry then
    if there[10] and entries > 0 then
      new_start = start_with_room(log, #data, tail, start, most)
    end
    tail = add(log, data, event, tail, entries > 0 and new_start ~= start and new_start)
  end
  local fields = {'tail', whole(tail)}
  local function set(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if new_start ~= start then
    start = new_start
    set('start', whole(start))
  end
  if #data > tonumber(there[13] or '0') then
    set('largest', whole(#data))
  end
  if order ~= '' then
    set('seq', order)
  end
  if tuple then
    known_epoch, known_seq = epoch, seq
    set('p:' .. producer, whole(epoch) .. ' ' .. whole(seq))
  end
  if closes then
    there[3] = '1'
    set('closed', '1')
    set('by', tuple or '')
  end
  redis.call('HSET', stream, unpack(fields))
  if there[11] and is_entry then -- the first one makes the key
    redis.call('PEXPIREAT', log, there[11])
  end
  keep(stream, there[8])
  tell_watchers(stream, there[14], there[4] .. ' ' .. whole(tail) .. (there[3] and ' 1' or ' 0'))
  return answer(OK)
end

-- The state alone, as `append` tells it.
local function look(stream, incarnation)
  local there = redis.call('HMGET', stream, 'tail', 'start', 'closed', 'incarnation', 'type')
  if not there[1] or (incarnation ~= '' and incarnation ~= there[4]) then
    return {MISSING}
  end
  return {OK, there[1], there[2] or 0, there[3] and 1 or 0, there[4], there[5], 0, -1}
end
