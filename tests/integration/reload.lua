-- wrk: requests that must not fail while workers are replaced, the unrepeatable POST among them; counts what was answered
-- otherwise than with 200.
local kinds = {
  function() return wrk.format("GET", "/null") end,
  function() return wrk.format("POST", "/upload", { ["Content-Type"] = "application/octet-stream" }, "some bytes") end,
  function() return wrk.format("GET", "/counter") end,
  function() return wrk.format("GET", "/events?count=1") end,
}
local sent = 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init()
  others = 0
end

function request()
  sent = sent + 1
  return kinds[sent % #kinds + 1]()
end

function response(status)
  if status ~= 200 then
    others = others + 1
  end
end

function done(summary)
  local others = 0
  for _, thread in ipairs(threads) do
    others = others + thread:get("others")
  end
  local errors = summary.errors
  print(string.format("requests=%d others=%d connect=%d read=%d write=%d timeout=%d", summary.requests, others,
    errors.connect, errors.read, errors.write, errors.timeout))
end
