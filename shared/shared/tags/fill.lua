-- KEYS: tag   ARGV: document, lease, revision, bytes, milliseconds to keep, most documents, milliseconds to keep any
-- ->   1 stored | 0 refused
-- Empty bytes store nothing: the loader gives its lease up.
local held = redis.call('HGET', KEYS[1], 'l:' .. ARGV[1])
if not held or string.match(held, '^(%S+) ') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[1], 'l:' .. ARGV[1])
if ARGV[4] == '' then return 0 end
local revision = tonumber(redis.call('HGET', KEYS[1], 'r') or '-1')
if tonumber(ARGV[3]) < revision then return 0 end
-- The loader saw a commit that nobody has raised yet; its syncer may be dead. Who has seen it must not see less through
-- another document of this tag. So all documents here are of the tag's revision; where there is none, none is known good.
-- Leases stay: whoever loaded less is refused above.
if tonumber(ARGV[3]) > revision then
    local older = {'u'}
    for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
        if string.sub(field, 1, 2) == 'd:' then older[#older + 1] = field end
    end
    for first = 1, #older, 1000 do
        redis.call('HDEL', KEYS[1], unpack(older, first, math.min(first + 999, #older)))
    end
    redis.call('HSET', KEYS[1], 'r', ARGV[3])
end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[6]) then return 0 end
redis.call('HSET', KEYS[1], 'd:' .. ARGV[1], ARGV[4])
-- `u`: the end of all documents of this tag. Later fills must not put it off, or a lost purge would cost more than that.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSETNX', KEYS[1], 'u', string.format('%d', now + ARGV[7]))
local keep = math.min(now + ARGV[5], tonumber(redis.call('HGET', KEYS[1], 'u'))) - now
if redis.call('PTTL', KEYS[1]) < keep then redis.call('PEXPIRE', KEYS[1], string.format('%d', keep)) end
return 1
