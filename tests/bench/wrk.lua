-- For wrk: every request carries the next cookie of a file, so that many sessions are in use at once.
--
--   wrk -t1 -c64 -d5s -s tests/bench/wrk.lua URL -- COOKIE_FILE
--
-- The requests are made beforehand: in the run, wrk only goes round the list. The last line of the output is JSON.

local requests = {}
local next_request = 0

function init(arguments)
    for cookie in io.lines(arguments[1]) do
        requests[#requests + 1] = wrk.format("GET", nil, { ["Host"] = "localhost", ["Cookie"] = cookie })
    end
end

function request()
    next_request = next_request % #requests + 1
    return requests[next_request]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "seconds": %.6f, "p50_us": %d, "p99_us": %d, "bad_status": %d, "broken": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
