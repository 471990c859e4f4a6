-- The points of one shop and app, kept in one hash: read first, and written by `save`. It goes before each of the scripts.
-- KEYS: the hash   ARGV: what is asked (JSON), the terms (JSON: the same for all)
--
--   maximum rate available at held taken   as in shopify/bucket.py; `at` in seconds of this server's clock
--   allowed cut_at misled_at               as in shopify/bucket.py: the part of maximum and rate that is used
--   order     the last place in the line that was given
--   born      names this hash: another name means that everything was forgotten in between
--   told      1 once an answer of Shopify's said where its level is
--   careful   until when more is left than usual: others may still be on their way back
--   c:<id>    "cost since expires at": points of a request under way. Who does not come back in time has used them
--   q:<id>    "rank order cost expires": a request that was told to come back. Nobody overtakes it
--   d:<name>  what Shopify asks for a document
local asked, terms, key = cjson.decode(ARGV[1]), cjson.decode(ARGV[2]), KEYS[1]
local now = asked.now
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end

local function exactly(number) return string.format('%.17g', number) end

local b, claims, line, costs, gone = {}, {}, {}, {}, {}
local under_way, waiting, learnt = 0, 0, 0
local stored = redis.call('HGETALL', key)
for i = 1, #stored, 2 do
  local field, value = stored[i], stored[i + 1]
  local kind, id = string.match(field, '^(%a):(.*)$')
  if kind == 'c' then
    local cost, since, expires, at = string.match(value, '^(%S+) (%S+) (%S+) ?(%S*)$')
    claims[id] = {cost = tonumber(cost), since = tonumber(since), expires = tonumber(expires), at = tonumber(at) or 0}
    under_way = under_way + 1
  elseif kind == 'q' then
    local rank, order, cost, expires = string.match(value, '^(%S+) (%S+) (%S+) (%S+)$')
    if tonumber(expires) > now then
      line[id] = {rank = tonumber(rank), order = tonumber(order), cost = tonumber(cost)}
      waiting = waiting + 1
    else
      gone[#gone + 1] = field
    end
  elseif kind == 'd' then
    costs[id] = tonumber(value)
    learnt = learnt + 1
  elseif field == 'born' then
    b.born = value
  else
    b[field] = tonumber(value)
  end
end
if not b.born then
  -- Nobody knows what was spent before: only what is never taken (the head room) is surely there.
  b = {maximum = terms.maximum, rate = terms.rate, available = terms.start, at = now, held = 0, taken = 0, order = 0,
       born = asked.name, told = 0, careful = now + terms.grace}
end

-- A ledger of an earlier version has none of these.
b.allowed, b.cut_at, b.misled_at = b.allowed or 1, b.cut_at or -math.huge, b.misled_at or -math.huge

-- The most that it holds, as far as it is allowed.
local function fill()
  return math.max(b.maximum * b.allowed, math.min(b.maximum, terms.largest))
end

-- What has flowed in until then. A clock that goes back changes nothing.
local function flow(at)
  if at <= b.at then return end
  local passed, before = at - b.at, b.allowed
  b.allowed = math.min(1, before + passed / terms.recovery)
  local room = math.max(fill() - b.held, math.min(b.available, fill()))
  b.available = math.min(room, b.available + passed * b.rate * ((before + b.allowed) / 2))
  b.at = at
end

local function forget_claim(id)
  b.held = math.max(0, b.held - claims[id].cost)
  claims[id] = nil
  under_way = under_way - 1
  gone[#gone + 1] = 'c:' .. id
end

local late = {}
for id, claim in pairs(claims) do
  if claim.expires <= now then late[#late + 1] = id end
end
table.sort(late, function(one, other) return claims[one].expires < claims[other].expires end)
for _, id in ipairs(late) do
  flow(claims[id].expires)
  forget_claim(id)
end
flow(now)

local function put_claim(id, cost)
  claims[id] = {cost = cost, since = b.taken - b.held, expires = now + terms.claim, at = b.at}
  redis.call('HSET', key, 'c:' .. id,
    exactly(cost) .. ' ' .. exactly(b.taken - b.held) .. ' ' .. exactly(claims[id].expires) .. ' ' .. exactly(b.at))
  b.held = b.held + cost
  b.taken = b.taken + cost
  under_way = under_way + 1
end

local function save()
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  redis.call('HSET', key, 'maximum', exactly(b.maximum), 'rate', exactly(b.rate), 'available', exactly(b.available),
    'at', exactly(b.at), 'held', exactly(b.held), 'taken', exactly(b.taken), 'born', b.born, 'told', b.told,
    'order', exactly(b.order), 'careful', exactly(b.careful), 'allowed', exactly(b.allowed),
    'cut_at', exactly(b.cut_at), 'misled_at', exactly(b.misled_at))
  redis.call('PEXPIRE', key, terms.keep)
end

local function stand(outcome, seconds, order)
  return {outcome, exactly(seconds), exactly(order), b.born, tostring(b.told), exactly(b.available),
          exactly(b.maximum), exactly(b.rate), exactly(now), exactly(b.held), exactly(b.allowed)}
end

-- Saves, and answers: outcome, seconds, order, born, told, available, maximum, rate, now, held, allowed
local function answer(outcome, seconds, order)
  save()
  return stand(outcome, seconds, order)
end
