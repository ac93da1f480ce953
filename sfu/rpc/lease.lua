-- Lease a lesson's media to a worker. KEYS[1]: lease (hash: worker, epoch, address).
-- ARGV: 1 operation, 2 an epoch, 3 worker, 4 the highest epoch the caller knows of, 5 seconds to keep,
--       6 channel, 7 where the worker listens ("" when that is not known).
-- -> {worker, epoch, address} in force
-- place: only if nobody was faster, that is the epoch in force is ARGV 2 (or Redis knows none): the lease
--   is the worker's with the highest known epoch + 1.
-- reclaim: the lease of epoch ARGV 2 is written again if Redis lost it, or has an older one since.
-- Everybody is told what changed.
local found = redis.call('HMGET', KEYS[1], 'worker', 'epoch', 'address')
local current = tonumber(found[2] or '0')
local epoch
if ARGV[1] == 'place' then
  if found[2] and current ~= tonumber(ARGV[2]) then
    return {found[1], current, found[3] or ''}
  end
  epoch = math.max(current, tonumber(ARGV[4])) + 1
elseif ARGV[1] == 'reclaim' then
  epoch = tonumber(ARGV[2])
  if current >= epoch then
    return {found[1], current, found[3] or ''}
  end
else
  return redis.error_reply('unknown operation')
end
redis.call('HSET', KEYS[1], 'worker', ARGV[3], 'epoch', epoch, 'address', ARGV[7])
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('SPUBLISH', ARGV[6], 'l:')
return {ARGV[3], epoch, ARGV[7]}
