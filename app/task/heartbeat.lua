-- Renews leases, and stores progress.
--
-- ARGV  for each task: id, generation, progress as 'done/total', or '' if there is nothing new
-- Returns until when, in ms of the clock here, the leases hold now; then for each 1: still owned, 2: owned, and to be cancelled, 0: lost.

local now = now_ms()
local reply = {now + LEASE_MS}
for at = 1, #ARGV, 3 do
  local id, progress = ARGV[at], ARGV[at + 2]
  local key = task_key(id)
  local verdict = 0
  if is_owned(key, ARGV[at + 1]) then
    redis.call('ZADD', LEASES, whole(now + LEASE_MS), id)
    if progress ~= '' then
      redis.call('HSET', key, 'progress', progress)
    end
    verdict = redis.call('HEXISTS', key, 'cancel') + 1
  end
  reply[#reply + 1] = verdict
end
return reply
