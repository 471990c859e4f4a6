-- KEYS: tag   ARGV: document, lease, milliseconds the lease lasts, most documents   ->   the document | 1 (load it) | 0 (wait)
-- Whoever asks makes the next purge bring this document along. A process that keeps it in its own memory asks again after
-- each purge, so what is read from there alone counts as asked for, too.
redis.call('HDEL', KEYS[1], 'b:' .. ARGV[1])
local stored = redis.call('HGET', KEYS[1], 'd:' .. ARGV[1])
if stored then return stored end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HGET', KEYS[1], 'l:' .. ARGV[1])
if held and tonumber(string.match(held, ' (%d+)$')) > now then return 0 end
-- A tag that is full keeps no more leases either, or whoever mints names would fill the memory with them: everyone loads.
if not held and redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then return 1 end
redis.call('HSET', KEYS[1], 'l:' .. ARGV[1], ARGV[2] .. ' ' .. string.format('%d', now + ARGV[3]))
-- A tag that is only asked for, never filled, must not stay; a later fill or purge sets its own expiry.
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[3] * 10) end
return 1
