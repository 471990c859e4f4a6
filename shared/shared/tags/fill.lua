-- KEYS: tag   ARGV: document, lease, revision, bytes, milliseconds to keep, most documents, milliseconds to keep any
-- ->   1 stored | 0 refused
-- Empty bytes store nothing: the loader gives its lease up.
local held = redis.call('HGET', KEYS[1], 'l:' .. ARGV[1])
if not held or string.match(held, '^(%S+) ') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'l:' .. ARGV[1])
if ARGV[4] == '' then return 0 end
local revision = tonumber(redis.call('HGET', KEYS[1], 'r') or '-1')
if tonumber(ARGV[3]) < revision then return 0 end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[6]) then return 0 end
redis.call('HSET', KEYS[1], 'd:' .. ARGV[1], ARGV[4])
-- `u`: the end of all documents of this tag. Later fills must not put it off, or a lost purge would cost more than that.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], 'u', string.format('%d', now + ARGV[7]))
local keep = math.min(now + ARGV[5], tonumber(redis.call('HGET', KEYS[1], 'u'))) - now
if redis.call('PTTL', KEYS[1]) < keep then redis.call('PEXPIRE', KEYS[1], string.format('%d', keep)) end
return 1
