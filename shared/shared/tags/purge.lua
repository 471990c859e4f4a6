-- KEYS: tag   ARGV: revision, milliseconds to keep[, document, bytes]   ->   1 raised | 0 it was there already
-- The document is of this very revision, read in the transaction that made it. (A loader may bring a later one already:
-- `fill` raises the tag to that.) It is kept where somebody has asked for it since the purge before; what nobody reads
-- takes no room from what is read. `b:<document>`: it was brought, and nobody has asked for it yet.
local revision = tonumber(redis.call('HGET', KEYS[1], 'r') or '-1')
if tonumber(ARGV[1]) <= revision then return 0 end
local asked = false
if ARGV[3] then
    local stored, lease, brought = unpack(redis.call('HMGET', KEYS[1], 'd:' .. ARGV[3], 'l:' .. ARGV[3], 'b:' .. ARGV[3]))
    asked = lease or (stored and not brought)
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'r', ARGV[1])
if asked then
    local time = redis.call('TIME')
    local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
    redis.call('HSET', KEYS[1], 'd:' .. ARGV[3], ARGV[4], 'b:' .. ARGV[3], 1, 'u', string.format('%d', ends))
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
