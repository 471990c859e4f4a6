-- asked: id, cost, rank, order (none at first), least, most (shares.py)   ->   granted | later | never
local cost, order = asked.cost, asked.order
if not order then
  b.order = math.max(now, b.order + 0.000001) -- no two are the same
  order = b.order
end
if claims[asked.id] then return answer('granted', 0, order) end -- asked twice, because the first answer was lost

local function out_of_line()
  if line[asked.id] then gone[#gone + 1] = 'q:' .. asked.id end
end

if cost > b.maximum then
  out_of_line()
  return answer('never', 0, order)
end

local beside, room = fill() - cost, fill() - b.held
local left = 0
if b.told == 1 then
  left = math.max(asked.least * beside, asked.most * fill() - b.held - cost, terms.head_room)
  if now < b.careful then left = math.max(left, terms.careful * beside) end
end
local needed = cost + math.max(0, math.min(left, beside))

local ahead, first = 0, true
for id, other in pairs(line) do
  if id ~= asked.id and (other.rank < asked.rank or (other.rank == asked.rank and other.order < order)) then
    ahead, first = ahead + other.cost, false
  end
end

if first and b.available >= needed and under_way < terms.claims then
  out_of_line()
  put_claim(asked.id, cost)
  b.available = b.available - cost
  return answer('granted', 0, order)
end

-- When the points will have flowed in; unless requests under way have to end first, which nobody can tell.
local seconds = terms.soon
if needed <= room and b.rate > 0 then seconds = (needed + ahead - b.available) / (b.rate * b.allowed) end
seconds = math.min(math.max(seconds, terms.soonest), terms.latest)
-- Who never comes back must not hold up the line for long.
if line[asked.id] or waiting < terms.line then
  redis.call('HSET', key, 'q:' .. asked.id, asked.rank .. ' ' .. exactly(order) .. ' ' .. exactly(cost) .. ' '
    .. exactly(now + seconds + terms.patience))
end
return answer('later', seconds, order)
