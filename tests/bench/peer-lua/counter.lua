-- What GET /counter does, in nginx's own process: verify the signed cookie, read the session, increment a field, renew
-- the idle timeout, answer about 100 bytes.
--
-- Where it differs from Midstream, it does less: HMAC-SHA1 instead of HMAC-SHA-512-256, no absolute timeout, no
-- revision, nobody notified, and a session that is logged out between two requests of the pipeline comes back to life.

local redis = require "nginx.redis"

local peer = {}

local SECRET = "the peer's key, for measuring only"
local IDLE_MS = 30 * 60 * 1000
local POOL_IDLE_MS, POOL_SIZE = 60000, 64

local function sign(rid)
    return ngx.encode_base64(ngx.hmac_sha1(SECRET, rid), true)
end

local function verified_rid(cookie)
    if not cookie then
        return nil
    end
    local rid, mac = cookie:match("^(%x+)%.(.+)$")
    return rid and mac == sign(rid) and rid or nil
end

local function new_rid()
    local source = assert(io.open("/dev/urandom", "rb"))
    local bytes = source:read(16)
    source:close()
    return (bytes:gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

function peer.serve(redis_address)
    local rid = verified_rid(ngx.var.cookie_peer)
    if not rid then
        rid = new_rid()
        ngx.header["Set-Cookie"] = "peer=" .. rid .. "." .. sign(rid) .. "; Path=/; HttpOnly"
    end

    local connection = redis:new()
    connection:set_timeout(1000)
    if not connection:connect(redis_address) then
        return ngx.exit(503)
    end
    local key = "peer:" .. rid
    connection:init_pipeline(3)
    connection:hgetall(key)
    connection:hincrby(key, "counter", 1)
    connection:pexpire(key, IDLE_MS)
    local replies = connection:commit_pipeline()
    if not replies or type(replies[2]) ~= "number" then
        return ngx.exit(503)
    end
    connection:set_keepalive(POOL_IDLE_MS, POOL_SIZE)

    local body = string.format('{"counter":%d,"padding":"%s"}\n', replies[2], ("."):rep(70))
    ngx.header["Content-Type"] = "application/json"
    ngx.header["Content-Length"] = #body
    ngx.print(body)
end

return peer
