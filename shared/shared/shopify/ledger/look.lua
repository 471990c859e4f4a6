-- asked: nothing   ->   as ever. Nothing is written: what flows in, or expires, does so for this answer only
return stand('seen', 0, now)
