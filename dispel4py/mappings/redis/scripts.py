"""The steps that the server executes, each as one: programs in Lua.

A *hold* is the work that a worker has taken and not yet committed: a worker has one for
each level of nested work. All keys of a run begin with its name:

``open``
    Exists while the process that started the run is alive.
``streams``, ``job``
    Description of the streams, and the graph for workers that join.
``q:STREAM``, ``hold:HOLD``, ``p:KEY``
    Lists of parcels that wait, and of parcels in work; the large parcels and states, to
    which others refer: a byte, ``@``, the number of bytes in 12 digits, and KEY.
``holds``, ``busy``, ``working``
    Stream of each hold; number of holds of each stream, and of each worker.
``owner``, ``starts``, ``pinned``
    Worker of a stream with state, as long as it lives; how many workers it has had; why
    the worker cannot be replaced.
``state``, ``version``, ``sent``, ``deaths``
    State of an instance, the number of its commits, the number of items that its
    uncommitted work has sent, and of workers that died in this work.
``closed``, ``stopped``, ``ended``, ``due``
    Sources with all their inputs, or stopped; ended streams; time of the next call.
``workers``, ``alive:WORKER``, ``levels:WORKER``
    Known workers, their leases, and the levels of their holds.
``counts``, ``commits``, ``failure``
    Items in, out and failed of each PE; number of steps forward; the first failure.
"""

from __future__ import annotations

#: Adds inputs to a stream. Another worker may just have stopped it.
PUSH = """
local p, stream, inputs = KEYS[1], ARGV[1], ARGV[2]
if redis.call('SISMEMBER', p..'stopped', stream) == 1 then return 0 end
return redis.call('RPUSH', p..'q:'..stream, inputs)
"""

#: Gives a worker the next parcels of the deepest stream with room for its outputs. A
#: stream with state that has no worker yet is for an idle worker with few of them.
#: Parcels on which workers died are given one at a time. The first command that changes
#: something frees memory, so a full server gives work, too.
TAKE = """
local p, me, level, min_depth = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local most, most_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local room, now = tonumber(ARGV[6]), tonumber(ARGV[7])
local known = cjson.decode(ARGV[8])
local call = redis.call
if call('EXISTS', p..'open') == 0 then return {'gone'} end
if call('EXISTS', p..'failure') == 1 then return {'over'} end
if call('SISMEMBER', p..'workers', me) == 0 then return {'lost'} end
if call('HEXISTS', p..'holds', me..'/'..level) == 1 then return {'lost'} end
local streams = cjson.decode(call('GET', p..'streams'))
local ended, n_ended, n_with_state = {}, 0, 0
for i = #streams, 1, -1 do
  local s = streams[i]
  local is_over = call('SISMEMBER', p..'ended', s.name) == 1
  if not is_over then
    local closed = true
    if s.source then closed = call('SISMEMBER', p..'closed', s.name) == 1 end
    for _, f in ipairs(s.feeders) do closed = closed and ended[f] end
    s.waiting = call('LLEN', p..'q:'..s.name)
    s.busy = tonumber(call('HGET', p..'busy', s.name) or 0)
    if closed and s.waiting == 0 and s.busy == 0 then
      if s.shared then
        call('SADD', p..'ended', s.name); is_over = true
      else s.finishes = true end
    end
  end
  if is_over then ended[s.name] = true; n_ended = n_ended + 1
  elseif not s.shared then n_with_state = n_with_state + 1 end
end
if n_ended == #streams then return {'over'} end
local function has_room(s)
  for _, d in ipairs(s.into) do
    if call('LLEN', p..'q:'..d) >= room then return false end
  end
  return true
end
local function others_come_first()
  local n_owned, workers = {}, call('SMEMBERS', p..'workers')
  for _, worker in ipairs(call('HVALS', p..'owner')) do
    n_owned[worker] = (n_owned[worker] or 0) + 1
  end
  local share = math.ceil(n_with_state / #workers)
  if (n_owned[me] or 0) < share then return false end
  for _, worker in ipairs(workers) do
    local is_idle = call('HEXISTS', p..'working', worker) == 0
    if worker ~= me and is_idle and (n_owned[worker] or 0) < share then return true end
  end
  return false
end
local function may_take(s)
  if ended[s.name] or s.depth <= min_depth then return false end
  if s.waiting == 0 and not s.finishes then return false end
  if not s.shared then
    if s.busy > 0 then return false end
    local owner = call('HGET', p..'owner', s.name)
    if owner and owner ~= me then return false end
    if not owner and others_come_first() then return false end
    local due = call('HGET', p..'due', s.name)
    if due and s.waiting > 0 and tonumber(due) > now then return false end
  end
  return has_room(s)
end
for _, s in ipairs(streams) do
  if may_take(s) then
    local q, hold = p..'q:'..s.name, me..'/'..level
    local held, parcels, n_bytes = p..'hold:'..hold, {}, 0
    call('HDEL', p..'due', s.name)
    while #parcels < math.min(most, s.waiting) and n_bytes < most_bytes do
      local parcel = call('LMOVE', q, held, 'LEFT', 'RIGHT')
      local is_deadly = string.byte(parcel, 1) > 0
      if is_deadly and #parcels > 0 then
        call('LMOVE', held, q, 'RIGHT', 'LEFT')
        break
      end
      local is_apart, size = string.sub(parcel, 2, 2) == '@', #parcel
      if is_apart then size = tonumber(string.sub(parcel, 3, 14)) end
      parcels[#parcels + 1], n_bytes = parcel, n_bytes + size
      if is_deadly then break end
    end
    call('HSET', p..'holds', hold, s.name)
    call('SADD', p..'levels:'..me, level)
    call('HINCRBY', p..'busy', s.name, 1)
    call('HINCRBY', p..'working', me, 1)
    local state, version, starts = '', '0', '0'
    if not s.shared then
      if call('HGET', p..'owner', s.name) ~= me then
        call('HINCRBY', p..'starts', s.name, 1)
      end
      starts = call('HGET', p..'starts', s.name)
      call('HSET', p..'owner', s.name, me)
      version = call('HGET', p..'version', s.name) or '0'
      if known[s.name] ~= version then
        state = call('HGET', p..'state', s.name) or ''
      end
    end
    local sent = call('HGET', p..'sent', s.name) or '0'
    local deaths = call('HGET', p..'deaths', s.name) or '0'
    local finishes = s.finishes and '1' or '0'
    return {
      'work', s.name, finishes, version, starts, state, sent, deaths, unpack(parcels)
    }
  end
end
return {'wait'}
"""

#: Sends items within a call; they are not sent again if the call is repeated.
SEND = """
local p, hold, stream, sent = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local call = redis.call
if call('EXISTS', p..'open') == 0 then return 'gone' end
if call('EXISTS', p..'failure') == 1 then return 'over' end
if call('HGET', p..'holds', hold) ~= stream then return 'lost' end
for i = 4, #ARGV, 2 do call('RPUSH', p..'q:'..ARGV[i], ARGV[i + 1]) end
call('HSET', p..'sent', stream, sent)
call('INCR', p..'commits')
if call('SISMEMBER', p..'stopped', stream) == 1 then return 'stopped' end
return 'ok'
"""

#: Ends a hold: outputs, state, counts and the rest of the parcels, or nothing at all.
#: The rest are items of a parcel on which the work has begun, and the parcels after it,
#: which the server still has. The first command that changes something frees
#: memory. So a full server refuses the whole commit or nothing of it.
COMMIT = """
local p, me, level, stream = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local kind, state, sent, due = ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local reason, counts = ARGV[8], cjson.decode(ARGV[9])
local n_untouched, n_rest = tonumber(ARGV[10]), tonumber(ARGV[11])
local call, hold = redis.call, me..'/'..level
if call('EXISTS', p..'open') == 0 then return {'gone'} end
if call('HGET', p..'holds', hold) ~= stream then return {'lost'} end
local stopped = call('SISMEMBER', p..'stopped', stream) == 1
local function forget(parcel)
  if parcel and string.sub(parcel, 2, 2) == '@' then
    call('UNLINK', p..'p:'..string.sub(parcel, 15))
  end
end
call('HDEL', p..'holds', hold)
if not stopped then
  for _ = 1, n_untouched do
    call('LMOVE', p..'hold:'..hold, p..'q:'..stream, 'RIGHT', 'LEFT')
  end
  for i = 11 + n_rest, 12, -1 do call('LPUSH', p..'q:'..stream, ARGV[i]) end
end
for _, parcel in ipairs(call('LRANGE', p..'hold:'..hold, 0, -1)) do forget(parcel) end
call('DEL', p..'hold:'..hold)
call('SREM', p..'levels:'..me, level)
call('HINCRBY', p..'busy', stream, -1)
if call('HINCRBY', p..'working', me, -1) <= 0 then call('HDEL', p..'working', me) end
for i = 12 + n_rest, #ARGV, 2 do call('RPUSH', p..'q:'..ARGV[i], ARGV[i + 1]) end
for _, c in ipairs(counts) do call('HINCRBY', p..'counts', c[1], c[2]) end
call('INCR', p..'commits')
call('HDEL', p..'deaths', stream)
if kind == 'shared' then return {'ok', '0'} end
if sent == '0' then call('HDEL', p..'sent', stream)
else call('HSET', p..'sent', stream, sent) end
if due ~= '' then call('HSET', p..'due', stream, due) end
if reason ~= '' then call('HSET', p..'pinned', stream, reason)
else call('HDEL', p..'pinned', stream) end
if #state > 0 or kind == 'finish' then forget(call('HGET', p..'state', stream)) end
if #state > 0 then call('HSET', p..'state', stream, state) end
if kind == 'finish' then
  call('SADD', p..'ended', stream)
  call('HDEL', p..'state', stream)
  call('HDEL', p..'owner', stream)
  call('HDEL', p..'pinned', stream)
end
return {'ok', tostring(call('HINCRBY', p..'version', stream, 1))}
"""

#: Takes over all that a dead worker had in work; returns a reason if that cannot be.
BURY = """
local p, worker, dies = KEYS[1], ARGV[1], ARGV[2] == '1'
local call = redis.call
if call('SREM', p..'workers', worker) == 0 then return {} end
local lost = {}
local owners = call('HGETALL', p..'owner')
for i = 1, #owners, 2 do
  if owners[i + 1] == worker then
    call('HDEL', p..'owner', owners[i])
    local reason = call('HGET', p..'pinned', owners[i])
    if reason then lost = {owners[i], reason} end
  end
end
for _, level in ipairs(call('SMEMBERS', p..'levels:'..worker)) do
  local hold = worker..'/'..level
  local stream = call('HGET', p..'holds', hold)
  if stream then
    local parcels = call('LRANGE', p..'hold:'..hold, 0, -1)
    local is_shared = call('HEXISTS', p..'shared', stream) == 1
    for i = #parcels, 1, -1 do
      local parcel = parcels[i]
      if dies and is_shared then
        local deaths = math.min(string.byte(parcel, 1) + 1, 255)
        parcel = string.char(deaths)..string.sub(parcel, 2)
      end
      if call('SISMEMBER', p..'stopped', stream) == 0 then
        call('LPUSH', p..'q:'..stream, parcel)
      end
    end
    call('HDEL', p..'holds', hold)
    call('DEL', p..'hold:'..hold)
    call('HINCRBY', p..'busy', stream, -1)
    if dies and not is_shared then call('HINCRBY', p..'deaths', stream, 1) end
  end
end
call('DEL', p..'levels:'..worker)
call('HDEL', p..'working', worker)
call('DEL', p..'alive:'..worker)
return lost
"""

#: Ends streams of inputs early.
STOP = """
local p = KEYS[1]
for _, stream in ipairs(ARGV) do
  redis.call('SADD', p..'stopped', stream)
  redis.call('SADD', p..'closed', stream)
  redis.call('DEL', p..'q:'..stream)
end
"""

#: Returns whether the run is over, and the workers without a lease.
STATUS = """
local p, n_streams = KEYS[1], tonumber(ARGV[1])
local call = redis.call
if call('EXISTS', p..'open') == 0 then return {'gone'} end
local over = call('SCARD', p..'ended') == n_streams and 'over' or 'on'
local answer = {over, call('GET', p..'failure') or '', call('GET', p..'commits') or '0'}
for _, worker in ipairs(call('SMEMBERS', p..'workers')) do
  if call('EXISTS', p..'alive:'..worker) == 0 then answer[#answer + 1] = worker end
end
return answer
"""
