-- asked: id, actual, status {maximum, available, rate} or none, document and cost or none   ->   back | unknown
local claim = claims[asked.id]
if claim then
  forget_claim(asked.id)
  local room = math.max(b.maximum - b.held, b.available)
  b.available = math.min(room, b.available + claim.cost - asked.actual)
end
local status = asked.status
if status then
  if claim then
    -- Between what Shopify said, and that less all of ours that was under way at any time since this request left.
    local unknown = b.taken - claim.since - claim.cost
    local lowest = math.min(status.available - unknown, status.maximum - b.held)
    b.available = math.min(math.max(b.available, lowest), status.available)
    b.told = 1
  else
    b.available = math.min(b.available, status.available)
  end
  b.maximum, b.rate = status.maximum, status.rate
end
if asked.document and (costs[asked.document] or learnt < terms.documents) then
  redis.call('HSET', key, 'd:' .. asked.document, exactly(math.max(asked.cost, costs[asked.document] or 0)))
end
return answer(claim and 'back' or 'unknown', 0, now)
