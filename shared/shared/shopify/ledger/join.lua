-- asked: process, away (1: it spent points elsewhere meanwhile), claims {id = cost} of all its requests under way
-- ->   as ever, and the learnt costs: document, cost, document, cost ...
for id in pairs(claims) do
  if string.sub(id, 1, #asked.process) == asked.process and not asked.claims[id] then forget_claim(id) end
end
for id, cost in pairs(asked.claims) do
  if not claims[id] and under_way < terms.claims then
    put_claim(id, cost)
    if b.told == 1 then b.available = b.available - cost end
  end
end
if asked.away == 1 then
  -- What it spent was not written here, and others may have done the same: begin low, the next answer tells.
  b.available, b.told, b.careful = math.min(b.available, terms.start), 0, now + terms.grace
end
local reply = answer('joined', 0, now)
for document, cost in pairs(costs) do
  reply[#reply + 1] = document
  reply[#reply + 1] = exactly(cost)
end
return reply
