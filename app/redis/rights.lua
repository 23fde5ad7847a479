-- Which of the commands in ARGV ("name key..." or "name|subcommand key...") the user of this connection may not run.
-- Nothing is carried out. Redis 7.0 (redis.acl_check_cmd).
local missing = {}
for _, command in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(command, '[^ |]+') do
    words[#words + 1] = word
  end
  local is_known, is_allowed = pcall(redis.acl_check_cmd, unpack(words)) -- WAITAOF is unknown before Redis 7.2
  if not is_known or not is_allowed then
    missing[#missing + 1] = string.match(command, '^[^ ]+')
  end
end
return table.concat(missing, ' ')
