-- Lease a lesson's media to a worker. KEYS[1]: lease (hash: worker, epoch).
-- ARGV: 1 the epoch the caller believes in force (0: none), 2 worker, 3 the highest epoch the caller knows
-- of, 4 seconds to keep, 5 channel. Only if nobody was faster: epoch = highest known + 1.
-- -> {worker, epoch} in force
local found = redis.call('HMGET', KEYS[1], 'worker', 'epoch')
local current = tonumber(found[2] or '0')
if current ~= tonumber(ARGV[1]) and found[2] then
  return {found[1], current}
end
local epoch = math.max(current, tonumber(ARGV[3])) + 1
redis.call('HSET', KEYS[1], 'worker', ARGV[2], 'epoch', epoch)
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('SPUBLISH', ARGV[5], 'l:')
return {ARGV[2], epoch}
