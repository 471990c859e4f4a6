-- asked: id, actual, status {maximum, available, rate} or none, refused (1: Shopify said that there were no points),
--        document and cost or none   ->   back | unknown
local claim, status = claims[asked.id], asked.status
local refused = claim and asked.refused == 1
-- Refused though by its own words there were points, or without a word: nobody took them, so none come back.
local misled = refused and not (status and status.available < claim.cost)

-- The announced limits, at once. Less flows in: what is allowed already stays as it is, in points a second.
local function limit()
  if status.maximum ~= b.maximum or status.rate ~= b.rate then
    b.allowed, b.cut_at = math.min(1, math.max(b.allowed, b.allowed * b.rate / status.rate)), now
  end
  b.maximum, b.rate = status.maximum, status.rate
end

if claim then
  forget_claim(asked.id)
  if not misled then
    local room = math.max(fill() - b.held, b.available)
    b.available = math.min(room, b.available + claim.cost - asked.actual)
  end
end
if status then
  limit()
  if misled then
    b.misled_at = now
  elseif claim and now >= b.misled_at + terms.misled then
    -- Between what Shopify said, and that less all of ours that was under way at any time since this request left.
    local unknown = b.taken - claim.since - claim.cost
    local lowest = math.min(status.available - unknown, fill() - b.held)
    b.available = math.min(math.max(b.available, lowest), status.available)
  else
    b.available = math.min(b.available, status.available)
  end
  if claim then b.told = 1 end
elseif misled then
  b.misled_at = now
end
if refused and claim.at > b.cut_at then
  if misled then b.available = math.min(b.available, 0) end
  b.allowed, b.cut_at = math.max(terms.least, b.allowed * terms.cut), now
end
if asked.document and (costs[asked.document] or learnt < terms.documents) then
  redis.call('HSET', key, 'd:' .. asked.document, exactly(math.max(asked.cost, costs[asked.document] or 0)))
end
return answer(claim and 'back' or 'unknown', 0, now)
