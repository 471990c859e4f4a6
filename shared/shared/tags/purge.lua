-- KEYS: tag   ARGV: revision, milliseconds to keep[, document, bytes]   ->   1 raised | 0 it was there already
-- The document is of this very revision, read in the transaction that made it: newer than whatever a loader may bring.
local revision = tonumber(redis.call('HGET', KEYS[1], 'r') or '-1')
if tonumber(ARGV[1]) <= revision then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'r', ARGV[1])
if ARGV[3] then
    local time = redis.call('TIME')
    local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[2]
    redis.call('HSET', KEYS[1], 'd:' .. ARGV[3], ARGV[4], 'u', string.format('%d', ends))
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
