-- The process that ran a task has ended under it, without blame of this task.
--
-- ARGV  id, generation, what happened
-- Returns 1; 0 when somebody else owns it by now.

local id, generation, detail = unpack(ARGV)
local key = task_key(id)
if not is_owned(key, generation) then
  return 0
end
lose(id, key, detail, now_ms())
return 1
