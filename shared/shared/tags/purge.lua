-- KEYS: tag   ARGV: revision, milliseconds to keep   ->   1 raised | 0 it was there already
local revision = tonumber(redis.call('HGET', KEYS[1], 'r') or '-1')
if tonumber(ARGV[1]) <= revision then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'r', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
