-- The one writer of lessons. All keys of a lesson share its hash tag.
-- KEYS: state (hash field -> packed value), log (stream, id = "<number>-0", field e = packed event),
--       meta (hash: number). ARGV[1] names the operation.
--
-- create: ARGV 2 seconds to keep
-- append: ARGV 2 event, 3 seconds to keep, 4 channel, 5 number of the last event that the writer has seen,
--   then counts and lists (the stream keeps the last 10,000 or so; SQL has the older ones):
--   expect: n, (field, "=" .. packed | "-") * n; set: n, (field, packed) * n; delete: n, field * n
--   -> number of the event | "conflict" | "absent": the lesson, or the last events that were seen
-- restore: ARGV 2 number, 3 seconds to keep, 4 channel, 5 number seen, then set as above: writes a lesson
--   that is not there, or lacks events that were seen (a replica took over that was behind), or that was
--   itself restored from less and has not moved since
--   -> number in force
-- seat: KEYS: seats (hash: participant -> process/socket); ARGV 2 participant, 3 seat, 4 seconds to keep,
--   5 channel

if ARGV[1] == 'seat' then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[4])
  redis.call('SPUBLISH', ARGV[5], 's' .. ARGV[2] .. ':' .. ARGV[3])
  return 'taken'
end

local state, log, meta = KEYS[1], KEYS[2], KEYS[3]

local function keep(seconds)
  redis.call('EXPIRE', state, seconds)
  redis.call('EXPIRE', log, seconds)
  redis.call('EXPIRE', meta, seconds)
end

if ARGV[1] == 'create' then
  redis.call('HSETNX', meta, 'number', 0)
  keep(ARGV[2])
  return 'created'
end

if ARGV[1] == 'append' then
  local current = redis.call('HGET', meta, 'number')
  if not current or tonumber(current) < tonumber(ARGV[5]) then return 'absent' end
  local at = 6
  for _ = 1, tonumber(ARGV[at]) do
    local found = redis.call('HGET', state, ARGV[at + 1])
    local wanted = ARGV[at + 2]
    if wanted == '-' then
      if found then return 'conflict' end
    elseif not found or '=' .. found ~= wanted then
      return 'conflict'
    end
    at = at + 2
  end
  at = at + 1
  for _ = 1, tonumber(ARGV[at]) do
    redis.call('HSET', state, ARGV[at + 1], ARGV[at + 2])
    at = at + 2
  end
  at = at + 1
  for _ = 1, tonumber(ARGV[at]) do
    redis.call('HDEL', state, ARGV[at + 1])
    at = at + 1
  end
  local number = redis.call('HINCRBY', meta, 'number', 1)
  redis.call('XADD', log, 'MAXLEN', '~', 10000, string.format('%d-0', number), 'e', ARGV[2])
  keep(ARGV[3])
  redis.call('SPUBLISH', ARGV[4], string.format('e%d:', number) .. ARGV[2])
  return number
end

if ARGV[1] == 'restore' then
  local given = tonumber(ARGV[2])
  local current = redis.call('HMGET', meta, 'number', 'restored')
  if current[1] and tonumber(current[1]) >= tonumber(ARGV[5])
      and (current[1] ~= current[2] or tonumber(current[1]) >= given) then
    return tonumber(current[1])
  end
  redis.call('DEL', state, log, meta)
  local at = 6
  for _ = 1, tonumber(ARGV[at]) do
    redis.call('HSET', state, ARGV[at + 1], ARGV[at + 2])
    at = at + 2
  end
  redis.call('HSET', meta, 'number', given, 'restored', given)
  keep(ARGV[3])
  redis.call('SPUBLISH', ARGV[4], string.format('r%d:', given))
  return given
end

return redis.error_reply('unknown operation')
