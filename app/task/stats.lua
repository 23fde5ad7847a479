-- How a queue is: {waiting, delayed, running, dead, age in ms of the oldest waiting task, then name and number of each
-- count}.

local now = now_ms()
local oldest = 0
local first = redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1]
if first then
  oldest = math.max(0, now - tonumber(string.match(first[1], '^%d+')))
end
local reply = {redis.call('XLEN', STREAM), redis.call('ZCARD', DELAYED), redis.call('ZCARD', LEASES),
  redis.call('ZCOUNT', DEAD, '(' .. whole(now - DEAD_KEEP_MS), '+inf'), oldest}
for _, item in ipairs(redis.call('HGETALL', COUNTS)) do
  reply[#reply + 1] = item
end
return reply
